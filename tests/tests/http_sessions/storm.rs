//! Clients that open, use, show and end sessions at random moments, go away meanwhile, and sessions whose time is up just
//! then: afterwards there is room for as many as ever, and nothing is left.

use super::server::{Session, application, post_session, production, request, routes};
use crate::http::{Client, serve};
use ::http::{Method, Request, StatusCode};
use axum::body::{Body, to_bytes};
use heirloom::http::SandboxLayer;
use heirloom_tests::{Random, nobodys};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

const LIMIT: usize = 8;

/// `None` if it broke off, because the session's time was up after the head of the response and before its body.
async fn answer(client: &mut Client, request: Request<Body>) -> Option<(StatusCode, String)> {
    let response = client.send(request).await.ok()?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), usize::MAX).await;
    let text = String::from_utf8(body.ok()?.to_vec());
    Some((status, text.unwrap()))
}

/// One client, which may go away at any moment.
async fn plays(address: SocketAddr, mut random: Random) -> Vec<(&'static str, StatusCode)> {
    let mut told = Vec::new();
    for _ in 0..12 {
        let mut client = Client::connect(address).await;
        let life = 1 + random.below(30);
        let sliding = random.below(2) == 0;
        let wish = format!(r#"{{"timeout_ms": {life}, "sliding": {sliding}}}"#);
        let patience = Duration::from_micros(200 + random.below(30_000));
        let Ok((status, text)) = timeout(patience, client.ask(post_session(&wish))).await else {
            continue;
        };
        told.push(("open", status));
        if status != StatusCode::CREATED {
            continue;
        }
        let opened: serde_json::Value = serde_json::from_str(&text).unwrap();
        let agent = opened["user_agent"].as_str().unwrap();
        for _ in 0..random.below(5) {
            let (what, method, path) = match random.below(4) {
                0 => ("show", Method::GET, "/sandbox"),
                1 => ("end", Method::DELETE, "/sandbox"),
                2 => ("use", Method::GET, "/guests"),
                _ => ("write", Method::POST, "/sign-up/bob"),
            };
            let mut client = Client::connect(address).await;
            let patience = Duration::from_micros(200 + random.below(20_000));
            let asked = answer(&mut client, request(method, path, Some(agent), ""));
            if let Ok(Some((status, text))) = timeout(patience, asked).await {
                let token = opened["token"].as_str().unwrap();
                assert!(!text.contains(token), "the token is told: {text}");
                assert!(what != "use" || status != StatusCode::OK || text == "0" || text == "1");
                told.push((what, status));
            }
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_opened_used_and_ended_at_random_leave_nothing() {
    production().await;
    let sessions = routes()
        .limit(LIMIT)
        .listening_at(SocketAddr::from(([127, 0, 0, 1], 1)));
    let address = serve(
        application()
            .layer(SandboxLayer::new())
            .merge(sessions.unwrap()),
    );
    let mut random = Random::seeded();
    let mut seen = BTreeMap::new();
    for _ in 0..5 {
        let clients = (0..12).map(|number| {
            let random = Random::from(random.below(u64::MAX) + number);
            nobodys().spawn(plays(address, random))
        });
        for client in futures_util::future::join_all(clients).await {
            for (what, status) in client.unwrap() {
                *seen.entry((what, status.as_u16())).or_insert(0) += 1;
            }
        }
    }
    println!("{seen:?}");
    // What is used when its session ends fails, as with any database that goes away.
    let expected = |what, status| match status {
        200 | 201 | 409 | 410 => true,
        503 => what == "open",
        500 => what == "use" || what == "write",
        _ => false,
    };
    let mut all = seen.keys();
    assert!(
        all.all(|(what, status)| expected(*what, *status)),
        "{seen:?}"
    );
    // All their times are up soon, and then there is room for as many as ever.
    let mut client = Client::connect(address).await;
    let mut open = Vec::new();
    let all = async {
        while open.len() < LIMIT {
            let (status, text) = client.ask(post_session(r#"{"timeout_ms": 60000}"#)).await;
            match status {
                StatusCode::CREATED => open.push(text),
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(Duration::from_secs(30), all)
        .await
        .expect("places are lost");
    for text in open {
        let opened: serde_json::Value = serde_json::from_str(&text).unwrap();
        let agent = opened["user_agent"].as_str().unwrap().to_owned();
        let session = Session { agent, opened };
        let (status, text) = session.over(&mut client, Method::DELETE, "/sandbox").await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
}
