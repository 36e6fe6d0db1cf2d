//! What is asked: an application that tells whose its requests are, and handlers that wait.

use crate::http::serve;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::routing::{get as on_get, post};
use futures_util::{StreamExt as _, stream};
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Repo, StartedOwner, owned_task};
use heirloom_tests::{count, insert, nobodys};
use sqlx::Sqlite;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use tokio::sync::Notify;

pub(crate) static REPO: Repo<Sqlite> = Repo::new();

pub(crate) static SERVER: LazyLock<SocketAddr> =
    LazyLock::new(|| serve(app().layer(SandboxLayer::new())));

pub(crate) fn app() -> Router {
    Router::new()
        .route("/who", on_get(async || whose()))
        .route("/count", on_get(counted))
        .route("/sign-up/{email}", post(sign_up))
        .route("/spawned", on_get(spawned))
        .route("/spawned-by-hand", on_get(spawned_by_hand))
        .route("/blocking", on_get(blocking))
        .route("/stream", on_get(endless))
        .route("/pause", on_get(pausing))
        .fallback(async || format!("nothing for {}", whose()))
}

pub(crate) fn whose() -> String {
    heirloom::current().map_or_else(|| "nobody".to_owned(), |owner| owner.name().to_owned())
}

pub(crate) async fn counted() -> String {
    match count(&REPO).await {
        Ok(seen) => format!("{} has {seen}", whose()),
        Err(error) => error.to_string(),
    }
}

pub(crate) async fn sign_up(Path(email): Path<String>) -> String {
    insert(&REPO, &email)
        .await
        .map_or_else(|error| error.to_string(), |()| "welcome".to_owned())
}

#[owned_task]
pub(crate) async fn spawned() -> String {
    tokio::spawn(async { counted().await }).await.unwrap()
}

pub(crate) async fn spawned_by_hand() -> String {
    tokio::spawn(counted()).await.unwrap()
}

pub(crate) async fn blocking() -> String {
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || handle.block_on(counted()))
        .await
        .unwrap()
}

pub(crate) async fn endless() -> Body {
    Body::from_stream(
        stream::repeat(()).then(async |()| Ok::<_, Infallible>(Bytes::from(counted().await))),
    )
}

/// A line, and then nothing.
pub(crate) async fn pausing() -> Body {
    let line = stream::once(async { Ok::<_, Infallible>(Bytes::from(counted().await)) });
    Body::from_stream(line.chain(stream::pending()))
}

/// Another owner, on the runtime of nobody.
pub(crate) async fn another(name: &str) -> StartedOwner {
    let name = name.to_owned();
    let starts = async move { Owner::start(&name).repo(&REPO).await };
    nobodys().spawn(starts).await.unwrap().unwrap()
}

pub(crate) async fn stop(owner: StartedOwner) -> Result<(), heirloom::Error> {
    nobodys().spawn(owner.stop()).await.unwrap()
}

/// In code that is not annotated, so it is nobody's.
pub(crate) fn on_a_thread(
    thread: std::thread::Builder,
    run: impl FnOnce() + Send + 'static,
) -> std::thread::JoinHandle<()> {
    thread.spawn(run).unwrap()
}

/// What a handler waits at.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) reached: Arc<Notify>,
    pub(crate) open: Arc<Notify>,
}

impl Gate {
    pub(crate) async fn pass(&self) {
        self.reached.notify_one();
        self.open.notified().await;
    }
}

/// Handlers that park.
pub(crate) fn waiting(gate: &Gate) -> Router {
    let (parked, inserting) = (gate.clone(), gate.clone());
    let in_transaction = async move || {
        let mut transaction = REPO.begin().await.unwrap();
        sqlx::query("INSERT INTO guests (email) VALUES ('t')")
            .execute(&mut *transaction)
            .await
            .unwrap();
        inserting.pass().await;
        transaction.commit().await.unwrap();
        whose()
    };
    let parked = async move || {
        parked.pass().await;
        whose()
    };
    Router::new()
        .route("/parked", on_get(parked))
        .route("/in-transaction", on_get(in_transaction))
        .merge(app())
        .layer(SandboxLayer::new())
}
