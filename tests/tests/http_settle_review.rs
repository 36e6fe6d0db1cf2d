//! Whether settling misses a request: on its way to a server, in a handler on another runtime, between head and body, on its
//! way back.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::Request;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::routing::get as on_get;
use futures_util::{StreamExt as _, stream};
use heirloom::http::{SandboxLayer, TokenLayer};
use heirloom::{Repo, Sandbox, owned_task, sandboxed};
use heirloom_tests::{Random, count, insert};
use http::{serve, text_of};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use sqlx::Sqlite;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;
use tower::{Layer as _, ServiceExt as _};

static REPO: Repo<Sqlite> = Repo::new();

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    serve(
        Router::new()
            .route("/wait/{micros}", on_get(waits))
            .route("/yield/{times}", on_get(yields))
            .route("/body/{rows}", on_get(body))
            .route("/relay/{micros}", on_get(relays))
            .layer(SandboxLayer::new()),
    )
});

async fn waits(Path(micros): Path<u64>) {
    tokio::time::sleep(Duration::from_micros(micros)).await;
    insert(&REPO, "wait").await.unwrap();
}

async fn yields(Path(times): Path<u64>) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
    insert(&REPO, "yield").await.unwrap();
}

/// The head is there at once; the rows are written while the body is sent.
async fn body(Path(rows): Path<u64>) -> Body {
    Body::from_stream(stream::iter(0..=rows % 4).then(async |row| {
        insert(&REPO, &row.to_string()).await.unwrap();
        Ok::<_, Infallible>(Bytes::from("row"))
    }))
}

/// From service to service: its own client, whose connections are spawned by nobody.
async fn relays(Path(micros): Path<u64>) {
    ask(format!("/wait/{micros}")).await;
}

async fn ask(path: String) -> String {
    let uri = format!("http://{}{path}", *SERVER);
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Body>();
    let client = TokenLayer::new().layer(client);
    text_of(client.oneshot(request).await.unwrap()).await.1
}

#[owned_task]
async fn in_the_background(path: String) {
    drop(tokio::spawn(async move { ask(path).await }));
}

async fn settles(sandbox: &Sandbox, rounds: u64) {
    let mut random = Random::seeded();
    for _ in 0..rounds {
        let before = count(&REPO).await.unwrap();
        let number = random.below(3000);
        let way = ["wait", "yield", "relay", "body"][usize::try_from(random.below(4)).unwrap()];
        let rows = if way == "body" {
            i64::try_from(number % 4 + 1).unwrap()
        } else {
            1
        };
        in_the_background(format!("/{way}/{number}")).await;
        sandbox.settle().await.unwrap();
        assert_eq!(
            count(&REPO).await.unwrap(),
            before + rows,
            "/{way}/{number}"
        );
        sqlx::query("DELETE FROM guests")
            .execute(&REPO)
            .await
            .unwrap();
    }
}

#[sandboxed]
async fn settling_misses_no_request_on_one_thread(sandbox: Sandbox) {
    settles(&sandbox, 300).await;
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn settling_misses_no_request_on_several_threads(sandbox: Sandbox) {
    settles(&sandbox, 300).await;
}
