//! What a client may do wrong, or a stranger may try: a clear answer each time, and nothing is left of it.

use crate::server::{
    Session, answer, ask, here, post_session, production, request, routes, server,
};
use ::http::{HeaderValue, Method, Request, StatusCode};
use axum::body::Body;
use axum::extract::ConnectInfo;
use heirloom::{Error, Owner};
use std::net::SocketAddr;

#[tokio::test]
async fn a_body_that_is_not_understood_is_refused_with_what_to_send() {
    production().await;
    let app = server(routes());
    let huge = format!(r#"{{"name": "{}"}}"#, "a".repeat(1_000_000));
    for (body, says) in [
        ("{", "not a JSON object"),
        (r#"{"repo": "default"}"#, "not known here"),
        (r#"{"name": "a\u0000b"}"#, "`name` has to be"),
        (r#"{"timeout_ms": 4000000}"#, "from 1 to 3600000"),
        (&huge, "longer than 4096 bytes"),
    ] {
        let (status, text) = ask(&app, post_session(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains(says) && text.contains("help: send"), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_sessions_is_refused_and_never_repeated() {
    production().await;
    let app = server(routes());
    let other = server(routes());
    let strangers = Session::open(&other).await;
    let started = Owner::start("bad::by_hand").await.unwrap();
    let hand = started.user_agent("curl/8.0");
    for (agent, status, says) in [
        (
            None,
            StatusCode::BAD_REQUEST,
            "there is no token in the header `user-agent`",
        ),
        (
            Some("Mozilla/5.0"),
            StatusCode::BAD_REQUEST,
            "there is no token",
        ),
        (Some("heirloom/"), StatusCode::BAD_REQUEST, "malformed"),
        (
            Some("heirloom/0123456789abcdef"),
            StatusCode::BAD_REQUEST,
            "malformed",
        ),
        (
            Some("heirloom/0123456789abcdef0123456789abcdef"),
            StatusCode::FORBIDDEN,
            "nobody's in this process",
        ),
        (
            Some(
                "heirloom/0123456789abcdef0123456789abcdef heirloom/f123456789abcdef0123456789abcdef",
            ),
            StatusCode::BAD_REQUEST,
            "two different tokens",
        ),
        (
            Some(hand.as_str()),
            StatusCode::FORBIDDEN,
            "`bad::by_hand` is not a session of these routes",
        ),
        (
            Some(strangers.agent.as_str()),
            StatusCode::FORBIDDEN,
            "is not a session of these routes",
        ),
    ] {
        for method in [Method::GET, Method::DELETE] {
            let (answered, text) = ask(&app, request(method, "/sandbox", agent, "")).await;
            assert_eq!(answered, status, "{text}");
            assert!(text.contains(says), "`{says}` is missing in: {text}");
            assert!(
                !text.contains("0123456789abcdef") && !text.contains(strangers.token()),
                "{text}"
            );
        }
    }
    assert_eq!(strangers.guests(&other).await, "0", "it goes on");
    strangers.delete(&other).await;
    started.stop().await.unwrap();
}

#[tokio::test]
async fn there_are_never_more_sessions_than_the_limit_however_many_are_asked_for() {
    production().await;
    let app = server(routes().limit(3));
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Session::open(&app).await);
    }
    for _ in 0..100 {
        let response = answer(&app, post_session("")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        let (_, text) = crate::http::text_of(response).await;
        assert!(text.contains("there are 3 sessions"), "{text}");
    }
    for _ in 0..30 {
        let first = open.remove(0);
        assert_eq!(first.delete(&app).await.0, StatusCode::OK);
        open.push(Session::open(&app).await);
    }
    // All at once, those that do not fit are told.
    let asked = (0..20).map(|_| ask(&app, post_session("")));
    let answers = futures_util::future::join_all(asked).await;
    assert!(
        answers
            .iter()
            .all(|(status, _)| *status == StatusCode::SERVICE_UNAVAILABLE)
    );
    for session in open {
        assert_eq!(session.guests(&app).await, "0");
        assert_eq!(session.delete(&app).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn pages_from_elsewhere_and_other_machines_get_no_session() {
    production().await;
    let app = server(routes());
    let with = |name: &'static str, value: &'static str| {
        let mut request = post_session("");
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
        request
    };
    let mut remote = post_session("");
    let peer: SocketAddr = "10.0.0.7:4000".parse().unwrap();
    remote.extensions_mut().insert(ConnectInfo(peer));
    for (request, says, help) in [
        (
            with("host", "evil.example:3000"),
            "`Host` is not this machine's",
            "allow_remote()",
        ),
        (
            with("origin", "https://evil.example"),
            "a page from another site",
            "a page of this machine",
        ),
        (
            with("origin", "null"),
            "a page from another site",
            "a page of this machine",
        ),
        (remote, "another machine, 10.0.0.7:4000", "allow_remote()"),
    ] {
        let (status, text) = ask(&app, request).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(text.contains(says) && text.contains(help), "{text}");
    }
    let (status, _) = ask(&app, with("origin", "http://localhost:5173")).await;
    assert_eq!(
        status,
        StatusCode::CREATED,
        "a page of a development server"
    );
}

#[tokio::test]
async fn where_it_is_allowed_other_machines_get_sessions_and_pages_from_elsewhere_still_do_not() {
    production().await;
    let app = server(routes().allow_remote());
    let from_afar = |origin: Option<&'static str>| {
        let mut request = post_session("");
        let peer: SocketAddr = "10.0.0.7:4000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("app:3000"));
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_static(origin));
        }
        request
    };
    for origin in [None, Some("http://app:3000")] {
        let (status, text) = ask(&app, from_afar(origin)).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
    }
    let (status, text) = ask(&app, from_afar(Some("https://evil.example"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("a page from another site"), "{text}");
}

#[tokio::test]
async fn other_methods_are_refused_and_answers_are_kept_by_nobody() {
    production().await;
    let app = server(routes());
    let put = request(Method::PUT, "/sandbox", None, "");
    assert_eq!(
        answer(&app, put).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    let response = answer(&app, post_session("")).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let bare = Request::post("/sandbox").body(Body::empty()).unwrap();
    assert_eq!(
        answer(&app, bare).await.status(),
        StatusCode::CREATED,
        "in process there is no host"
    );
}

#[tokio::test]
async fn routes_that_other_machines_can_reach_are_refused_unless_that_is_meant() {
    let refused = |routes: heirloom::http::SandboxRoutes, address: &str| {
        let error = routes.listening_at(address.parse().unwrap()).unwrap_err();
        assert!(matches!(error, Error::NoSandboxRoutes { .. }));
        error.to_string()
    };
    for address in [
        "0.0.0.0:3000",
        "192.168.0.1:80",
        "[::]:3000",
        "[2001:db8::1]:80",
    ] {
        let error = refused(routes(), address);
        for part in [
            address,
            "allow_remote()",
            "`sandbox_routes(\"/sandbox\")`",
            "server.rs:",
        ] {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
    }
    for address in ["127.0.0.1:0", "[::1]:3000", "[::ffff:127.0.0.1]:3000"] {
        drop(routes().listening_at(address.parse().unwrap()).unwrap());
    }
    let anywhere = "0.0.0.0:3000".parse().unwrap();
    drop(routes().allow_remote().listening_at(anywhere).unwrap());
    for path in ["sandbox", "", "/:tenant", "/*rest", "/{tenant", "/{tenant}"] {
        let error = heirloom::http::sandbox_routes(path).listening_at(here());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("a path starts with `/`"), "{error}");
    }
}
