//! A WebSocket keeps its owner for as long as it is open: in every message's handler and in what that spawns.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::Request;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get as on_get;
use futures_util::{SinkExt as _, StreamExt as _};
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Repo, Sandbox, owned_task, sandboxed};
use heirloom_tests::{count, insert};
use http::serve;
use sqlx::Sqlite;
use std::net::SocketAddr;
use std::sync::LazyLock;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message as Sent};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

static REPO: Repo<Sqlite> = Repo::new();

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let app = Router::new()
        .route("/live", on_get(live))
        .route("/un-annotated", on_get(un_annotated))
        .layer(SandboxLayer::new());
    serve(app)
});

#[owned_task]
async fn live(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(converse)
}

/// As code is that nobody annotated: axum spawns what it is given.
async fn un_annotated(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(converse)
}

/// Each message signs somebody up, and a task of its own counts.
#[owned_task]
async fn converse(mut socket: WebSocket) {
    while let Some(Ok(Message::Text(email))) = socket.recv().await {
        let signed = insert(&REPO, &email).await;
        let counted = tokio::spawn(async { count(&REPO).await }).await.unwrap();
        let told = match signed.and(counted) {
            Ok(seen) => format!("{email}: {seen}"),
            Err(error) => error.to_string(),
        };
        if socket.send(Message::text(told)).await.is_err() {
            return;
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// As a browser does, which can set no header but the user agent, and that for everything it sends.
async fn open(path: &str, owner: Option<&Owner>) -> tungstenite::Result<Socket> {
    let mut request: Request<()> = format!("ws://{}{path}", *SERVER).into_client_request()?;
    if let Some(owner) = owner {
        let agent = owner.user_agent("Mozilla/5.0 (X11; Linux x86_64)");
        request
            .headers_mut()
            .insert("user-agent", agent.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

async fn say(socket: &mut Socket, email: &str) -> String {
    socket.send(Sent::text(email)).await.unwrap();
    let told = socket.next().await.unwrap().unwrap();
    told.into_text().unwrap().to_string()
}

#[sandboxed]
async fn every_message_is_handled_as_the_owner_that_opened_the_socket(sandbox: Sandbox) {
    let other = Owner::start("other").repo(&REPO).await.unwrap();
    let mut first = open("/live", Some(sandbox.owner())).await.unwrap();
    let mut second = open("/live", Some(&other)).await.unwrap();
    for round in 1..=3 {
        let email = format!("ada{round}");
        assert_eq!(say(&mut first, &email).await, format!("{email}: {round}"));
        assert_eq!(say(&mut second, &email).await, format!("{email}: {round}"));
    }
    assert_eq!(count(&REPO).await.unwrap(), 3);
    other.stop().await.unwrap();
}

#[sandboxed]
async fn an_open_socket_keeps_no_test_from_settling(sandbox: Sandbox) {
    let mut socket = open("/live", Some(sandbox.owner())).await.unwrap();
    sandbox.settle().await.unwrap();
    assert_eq!(say(&mut socket, "ada").await, "ada: 1");
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn an_open_socket_is_closed_when_its_owner_ends() {
    let other = Owner::start("other").repo(&REPO).await.unwrap();
    let mut socket = open("/live", Some(&other)).await.unwrap();
    assert_eq!(say(&mut socket, "ada").await, "ada: 1");
    other.stop().await.unwrap();
    let end = socket.next().await;
    assert!(!matches!(end, Some(Ok(Sent::Text(_)))), "{end:?}");
}

#[sandboxed]
async fn what_un_annotated_code_hands_to_on_upgrade_is_nobodys(owner: Owner) {
    let mut socket = open("/un-annotated", Some(&owner)).await.unwrap();
    let told = say(&mut socket, "ada").await;
    assert!(told.contains("nobody owns this use"), "{told}");
    assert_eq!(count(&REPO).await.unwrap(), 0);
}

#[sandboxed]
async fn a_handshake_with_a_bad_token_is_refused() {
    let other = Owner::start("other").repo(&REPO).await.unwrap();
    let token = other.user_agent("");
    other.stop().await.unwrap();
    for (agent, status) in [("heirloom/1.0", 400), (&*token, 410)] {
        let mut request = format!("ws://{}/live", *SERVER)
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("user-agent", agent.parse().unwrap());
        let Err(tungstenite::Error::Http(refused)) = connect_async(request).await else {
            panic!("not refused");
        };
        assert_eq!(refused.status().as_u16(), status);
    }
}
