//! How a session lives: opened, used, ended, apart from all others.

use crate::http::{Client, serve};
use crate::server::{
    ADA, SECOND, Session, application, ask, here, post_session, production, request, routes, server,
};
use ::http::{Method, StatusCode};
use heirloom::http::{SandboxLayer, sandbox_routes};
use heirloom::{FutureExt as _, Repo};
use heirloom_tests::{file_of, insert};
use serde_json::json;
use sqlx::Sqlite;
use sqlx::migrate::Migrator;
use std::net::SocketAddr;

#[tokio::test]
async fn a_session_is_opened_used_and_ended_and_then_everything_is_rolled_back() {
    production().await;
    let app = server(routes());
    let session = Session::open(&app).await;
    assert_eq!(session.guests(&app).await, "0", "a fresh, migrated view");
    assert_eq!(session.sign_up(&app, ADA).await, StatusCode::CREATED);
    assert_eq!(session.guests(&app).await, "1");
    assert_eq!(session.sign_up(&app, ADA).await, StatusCode::CONFLICT);
    let file = async { file_of(&crate::server::REPO).await.unwrap() };
    let file = file.owned_by(&session.owner()).await;
    assert!(file.exists());

    let (status, text) = session.delete(&app).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(!file.exists(), "nothing is left when it is answered");
    let (status, text) = session.get(&app, "/guests").await;
    assert_eq!(status, StatusCode::GONE, "{text}");
    let again = Session::open(&app).await;
    assert_eq!(again.guests(&app).await, "0");
    assert_eq!(again.delete(&app).await.0, StatusCode::OK);
}

#[tokio::test]
async fn there_are_64_sessions_of_a_minute_each_unless_somebody_says_otherwise() {
    production().await;
    let app = server(routes());
    let mut open = Vec::new();
    for _ in 0..64 {
        let session = Session::open(&app).await;
        let left = session.opened["expires_in_ms"].as_u64().unwrap();
        assert!((30_001..=60_000).contains(&left), "{left} ms");
        assert_eq!(session.opened["sliding"], true);
        open.push(session);
    }
    let refused = Session::try_open(&app).await.map(|_| ());
    assert!(refused.unwrap_err().contains("there are 64 sessions"));
    for session in open {
        session.delete(&app).await;
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_the_applications_own() {
    production().await;
    let app = server(routes());
    let session = Session::open(&app).await;
    assert_eq!(
        session.sign_up(&app, "bob@example.org").await,
        StatusCode::CREATED
    );
    let nobodys = || request(Method::GET, "/guests", Some("curl/8.0"), "");
    assert_eq!(ask(&app, nobodys()).await, (StatusCode::OK, "1".to_owned()));
    session.delete(&app).await;
    assert_eq!(ask(&app, nobodys()).await, (StatusCode::OK, "1".to_owned()));
}

#[tokio::test]
async fn a_session_covers_every_repo_that_was_named_and_others_on_first_use() {
    production().await;
    for routes in [routes().repo(&SECOND), routes(), sandbox_routes("/sandbox")] {
        let app = server(routes);
        let session = Session::open(&app).await;
        assert_eq!(session.get(&app, "/both").await.1, "0 0");
        let owner = session.owner();
        for repo in [&crate::server::REPO, &SECOND] {
            let write = async { insert(repo, ADA).await.unwrap() };
            write.owned_by(&owner).await;
        }
        assert_eq!(session.get(&app, "/both").await.1, "1 1");
        let state = session.state(&app).await;
        assert_eq!(state["sessions"].as_array().unwrap().len(), 2, "{state}");
        assert_eq!(session.delete(&app).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_session_is_opened_on_all_repos_or_on_none() {
    static BROKEN: Migrator = sqlx::migrate!("schemas/broken");
    static THIRD: Repo<Sqlite> = Repo::named("sessions_broken").migrator(&BROKEN);
    production().await;
    // One at most: a second one shows that the first takes no place any more.
    let app = server(routes().repo(&THIRD).limit(1));
    for _ in 0..2 {
        let wish = r#"{"name": "half a session"}"#;
        let (status, text) = ask(&app, post_session(wish)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
        for part in ["`sessions_broken`", "`half a session`", "http_sessions"] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
    }
    let all = heirloom::inspect().owners;
    assert!(all.iter().all(|owner| owner.name != "half a session"));
}

#[tokio::test]
async fn a_client_may_want_no_more_than_the_end_of_its_user_agent() {
    production().await;
    let app = server(routes());
    let mut wanted = post_session("");
    wanted
        .headers_mut()
        .insert("accept", "text/plain".parse().unwrap());
    let (status, agent) = ask(&app, wanted).await;
    assert_eq!(status, StatusCode::CREATED);
    let browser = format!("Mozilla/5.0 (X11; Linux x86_64) {agent} Tail/1.0");
    let guests = request(Method::GET, "/guests", Some(&browser), "");
    assert_eq!(ask(&app, guests).await, (StatusCode::OK, "0".to_owned()));
    let delete = request(Method::DELETE, "/sandbox", Some(&browser), "");
    assert_eq!(ask(&app, delete).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_token_may_be_in_a_header_of_its_own() {
    production().await;
    let header: ::http::HeaderName = "x-sandbox".parse().unwrap();
    let sessions = routes()
        .header(header.clone())
        .listening_at(here())
        .unwrap();
    let layer = SandboxLayer::new().header(header);
    let app = application().layer(layer).merge(sessions);
    let session = Session::open(&app).await;
    let told = &session.opened["header"];
    assert_eq!(
        told,
        &json!({ "name": "x-sandbox", "value": session.token() })
    );
    for (method, path, answered) in [
        (Method::GET, "/guests", "0"),
        (Method::DELETE, "/sandbox", "rolled back"),
    ] {
        let mut request = request(method, path, Some("node"), "");
        let token = session.token().parse().unwrap();
        request.headers_mut().insert("x-sandbox", token);
        let (status, text) = ask(&app, request).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(text.contains(answered), "{text}");
    }
}

#[tokio::test]
async fn a_sessions_state_is_told_without_its_token() {
    production().await;
    let app = server(routes());
    let session = Session::wish(&app, r#"{"name": "checkout", "timeout_ms": 60000}"#).await;
    assert_eq!(session.opened["name"], "checkout");
    assert_eq!(session.opened["sliding"], true);
    session.guests(&app).await;
    let state = session.state(&app).await;
    assert_eq!(state["name"], "checkout");
    assert!(
        state["age_ms"].is_u64() && state["expires_in_ms"].is_u64(),
        "{state}"
    );
    let repo = &state["sessions"][0];
    assert_eq!(
        (&repo["repo"], &repo["database"]),
        (&json!("default"), &json!("SQLite"))
    );
    let user = repo["users"][0].as_str().unwrap();
    assert!(user.contains("used by thread"), "{user}");
    assert!(!state.to_string().contains(session.token()));
    session.delete(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_sessions_at_once_see_nothing_of_each_other() {
    async fn client(address: SocketAddr, number: usize) {
        let mut client = Client::connect(address).await;
        let (status, text) = client.ask(post_session("")).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let opened: serde_json::Value = serde_json::from_str(&text).unwrap();
        let agent = opened["user_agent"].as_str().unwrap().to_owned();
        let session = Session { agent, opened };
        for already in 0..3 {
            let seen = session.over(&mut client, Method::GET, "/guests").await;
            assert_eq!(
                seen,
                (StatusCode::OK, already.to_string()),
                "client {number}"
            );
            // The same addresses in all of them.
            let path = format!("/sign-up/guest{already}@example.org");
            let signed = session.over(&mut client, Method::POST, &path).await;
            assert_eq!(signed.0, StatusCode::CREATED, "client {number}");
        }
        let ended = session.over(&mut client, Method::DELETE, "/sandbox").await;
        assert_eq!(ended.0, StatusCode::OK, "client {number}: {}", ended.1);
    }

    production().await;
    let address = serve(server(routes()));
    let clients = (0..50).map(|number| tokio::spawn(client(address, number)));
    let clients: Vec<_> = clients.collect();
    for client in clients {
        client.await.unwrap();
    }
}
