//! A handler is shielded from its client and ends with its owner; a request in flight keeps a test from settling, a response
//! that streams does not.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::StatusCode;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::get as on_get;
use futures_util::{StreamExt as _, stream};
use heirloom::http::SandboxLayer;
use heirloom::{Error, Life, Owner, Repo, Sandbox, sandboxed};
use heirloom_tests::{count, failure_of, insert, nobodys, test, wait_until};
use http::{Client, get, serve, text_of};
use sqlx::Sqlite;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

static REPO: Repo<Sqlite> = Repo::new();

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| serve(app()));

const SHORT: Duration = Duration::from_millis(100);

fn app() -> Router {
    Router::new()
        .route("/gated/{gate}", on_get(gated))
        .route("/written/{gate}", on_get(written))
        .route("/panics/{gate}", on_get(panics))
        .route("/events/{gate}", on_get(events))
        .route("/fails/{gate}", on_get(fails))
        .route("/endless", on_get(endless))
        .layer(SandboxLayer::new())
}

/// Where a handler waits until its test lets it on.
struct Gate {
    reached: Semaphore,
    open: Semaphore,
    /// Whose it was when it was left behind.
    left: Mutex<Option<String>>,
}

impl Gate {
    /// Each test has its own.
    fn named(name: &str) -> Arc<Self> {
        static GATES: LazyLock<Mutex<HashMap<String, Arc<Gate>>>> = LazyLock::new(Mutex::default);
        let mut gates = GATES.lock().unwrap();
        let gate = gates.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Gate {
                reached: Semaphore::new(0),
                open: Semaphore::new(0),
                left: Mutex::default(),
            })
        });
        Arc::clone(gate)
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    async fn is_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    fn opens(&self) {
        self.open.add_permits(1);
    }
}

/// Tells its gate when it is dropped, and whose code drops it.
struct Leaves(Arc<Gate>);

impl Drop for Leaves {
    fn drop(&mut self) {
        let whose = heirloom::current().map(|owner| owner.name().to_owned());
        *self.0.left.lock().unwrap() = whose;
    }
}

async fn gated(Path(gate): Path<String>) -> &'static str {
    let leaves = Leaves(Gate::named(&gate));
    leaves.0.pass().await;
    "passed"
}

/// Waits in the middle of a transaction.
async fn written(Path(gate): Path<String>) -> &'static str {
    let mut transaction = REPO.begin().await.unwrap();
    let insert = sqlx::query("INSERT INTO guests (email) VALUES ('ada')");
    insert.execute(&mut *transaction).await.unwrap();
    Gate::named(&gate).pass().await;
    transaction.commit().await.unwrap();
    "written"
}

async fn panics(Path(gate): Path<String>) {
    Gate::named(&gate).pass().await;
    panic!("nobody waits for me");
}

/// Fails when its owner has ended, as one does whose query is refused then.
async fn fails(Path(gate): Path<String>) -> StatusCode {
    let owner = heirloom::current().unwrap();
    Gate::named(&gate).reached.add_permits(1);
    while owner.life() == Life::Running {
        std::thread::yield_now();
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

/// One event for each time that the gate opens.
async fn events(Path(gate): Path<String>) -> impl IntoResponse {
    let leaves = Leaves(Gate::named(&gate));
    let events = stream::unfold(leaves, async |leaves| {
        leaves.0.pass().await;
        let seen = count(&REPO).await.unwrap();
        Some((Ok::<_, Infallible>(format!("data: {seen}\n\n")), leaves))
    });
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(events),
    )
}

/// More than any socket takes.
async fn endless() -> Body {
    let page = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::from_stream(stream::repeat_with(move || {
        Ok::<_, Infallible>(page.clone())
    }))
}

/// Sends a request from outside of every test, which waits for its answer there.
fn outside(path: &str, owner: &Owner) -> tokio::task::JoinHandle<(StatusCode, String)> {
    let request = get(path, Some(owner));
    nobodys().spawn(async move { Client::connect(*SERVER).await.ask(request).await })
}

async fn told(sandbox: &Sandbox) -> String {
    let error = sandbox.settle_within(SHORT).await.unwrap_err();
    assert!(matches!(error, Error::NotSettled { .. }), "{error}");
    println!("---\n{error}\n");
    error.to_string()
}

// PE-4
#[sandboxed]
async fn a_handler_whose_client_goes_away_finishes_its_transaction(sandbox: Sandbox) {
    let gate = Gate::named("transaction");
    let asked = outside("/written/transaction", sandbox.owner());
    gate.is_reached().await;
    asked.abort();
    // Once its client is gone nobody waits for it.
    sandbox.settle().await.unwrap();
    gate.opens();
    sandbox.join().await.unwrap();
    assert_eq!(count(&REPO).await.unwrap(), 1);
    insert(&REPO, "bob@example.org").await.unwrap();
    assert_eq!(count(&REPO).await.unwrap(), 2);
}

#[sandboxed]
async fn a_handler_that_is_dropped_in_process_finishes_as_well(sandbox: Sandbox) {
    let gate = Gate::named("in_process");
    let asked = app().oneshot(get("/written/in_process", Some(sandbox.owner())));
    tokio::select! {
        _ = asked => unreachable!("the gate is closed"),
        () = gate.is_reached() => {}
    }
    gate.opens();
    sandbox.join().await.unwrap();
    assert_eq!(count(&REPO).await.unwrap(), 1);
}

#[sandboxed]
async fn a_request_in_flight_keeps_its_test_from_settling(sandbox: Sandbox) {
    let gate = Gate::named("in_flight");
    let asked = outside("/gated/in_flight?password=secret", sandbox.owner());
    gate.is_reached().await;
    let told = told(&sandbox).await;
    assert!(
        told.contains("request `GET /gated/in_flight`, taken by the layer"),
        "{told}"
    );
    assert!(
        told.contains("in flight for") && told.contains("is waiting"),
        "{told}"
    );
    assert!(!told.contains("secret"), "{told}");
    gate.opens();
    assert_eq!(asked.await.unwrap(), (StatusCode::OK, "passed".to_owned()));
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn settling_waits_until_a_request_is_answered(sandbox: Sandbox) {
    let gate = Gate::named("answered");
    let asked = outside("/written/answered", sandbox.owner());
    gate.is_reached().await;
    let settled = sandbox.settle();
    let opened = async {
        // Settling has begun when this is polled.
        tokio::task::yield_now().await;
        gate.opens();
    };
    let (settled, ()) = tokio::join!(settled, opened);
    settled.unwrap();
    assert_eq!(count(&REPO).await.unwrap(), 1);
    assert_eq!(asked.await.unwrap().1, "written");
}

#[test]
fn a_test_that_ends_before_its_request_is_answered_fails_and_names_it() {
    let gate = Gate::named("left_over");
    let text = failure_of(|| {
        let short = test("left_over").drain_timeout(SHORT);
        short.run(async |sandbox: Sandbox| {
            drop(outside("/gated/left_over", sandbox.owner()));
            Gate::named("left_over").is_reached().await;
            Ok(())
        })
    });
    println!("---\n{text}\n");
    assert!(text.contains("request `GET /gated/left_over`"), "{text}");
    // By a thread of the server, which may be busy.
    wait_until(|| match &*gate.left.lock().unwrap() {
        None => Err("it is not dropped".to_owned()),
        Some(owner) if owner.ends_with("left_over") => Ok(()),
        Some(other) => panic!("dropped as {other}'s, not its owner's"),
    });
}

#[sandboxed]
async fn a_client_is_told_when_the_owner_ends_meanwhile() {
    let gate = Gate::named("stopped");
    let owner = Owner::start("visitor").repo(&REPO).await.unwrap();
    let asked = outside("/gated/stopped", &owner);
    gate.is_reached().await;
    owner.stop().await.unwrap();
    let (status, text) = asked.await.unwrap();
    assert_eq!(status, StatusCode::GONE, "{text}");
    assert!(
        text.contains("the owner `visitor`") && text.contains("has ended"),
        "{text}"
    );
    assert_eq!(gate.left.lock().unwrap().as_deref(), Some("visitor"));
}

#[sandboxed]
async fn a_handler_that_fails_because_its_owner_ended_is_told_as_that() {
    let gate = Gate::named("fails");
    let owner = Owner::start("visitor").repo(&REPO).await.unwrap();
    let asked = outside("/fails/fails", &owner);
    gate.is_reached().await;
    owner.stop().await.unwrap();
    let (status, text) = asked.await.unwrap();
    assert_eq!(status, StatusCode::GONE, "{text}");
}

#[test]
fn a_handler_without_a_client_ends_with_its_owner() {
    let gate = Gate::named("abandoned");
    let ended = test("abandoned").run(async |sandbox: Sandbox| {
        let asked = outside("/gated/abandoned", sandbox.owner());
        Gate::named("abandoned").is_reached().await;
        asked.abort();
        // Nobody waits for it any more, and it waits for its gate, which never opens.
        sandbox.settle().await.unwrap();
        Ok(())
    });
    drop(ended);
    let left = gate.left.lock().unwrap().clone();
    assert!(left.is_some_and(|name| name.ends_with("abandoned")));
}

#[sandboxed]
async fn a_panic_that_no_client_waits_for_is_its_owners_to_know(sandbox: Sandbox) {
    let gate = Gate::named("panic");
    let asked = outside("/panics/panic", sandbox.owner());
    gate.is_reached().await;
    asked.abort();
    sandbox.settle().await.unwrap();
    gate.opens();
    sandbox.join().await.unwrap();
    let panics = sandbox.take_panics();
    let [panic] = &panics[..] else {
        panic!("not one: {panics:?}");
    };
    assert_eq!(panic.message, "nobody waits for me");
}

#[sandboxed]
async fn a_response_that_streams_for_ever_waits_between_its_events(sandbox: Sandbox) {
    let gate = Gate::named("events");
    let mut client = Client::connect(*SERVER).await;
    let request = get("/events/events", Some(sandbox.owner()));
    let response = client.send(request).await.unwrap();
    let mut events = Body::new(response.into_body()).into_data_stream();
    for seen in 0..3 {
        gate.is_reached().await;
        sandbox.settle().await.unwrap();
        sandbox.join().await.unwrap();
        gate.opens();
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event, format!("data: {seen}\n\n"));
        insert(&REPO, &format!("{seen}@example.org")).await.unwrap();
    }
}

#[sandboxed]
async fn a_response_that_streams_ends_with_its_owner_and_looks_cut_off() {
    let gate = Gate::named("cut_off");
    let owner = Owner::start("visitor").repo(&REPO).await.unwrap();
    let mut client = Client::connect(*SERVER).await;
    let response = client
        .send(get("/events/cut_off", Some(&owner)))
        .await
        .unwrap();
    let mut events = Body::new(response.into_body()).into_data_stream();
    gate.is_reached().await;
    gate.opens();
    assert!(events.next().await.unwrap().is_ok());
    gate.is_reached().await;
    owner.stop().await.unwrap();
    assert_eq!(gate.left.lock().unwrap().as_deref(), Some("visitor"));
    // It does not look as if that were all.
    assert!(events.next().await.unwrap().is_err());
}

#[sandboxed]
async fn a_response_that_is_all_there_is_read_after_its_owners_end() {
    Gate::named("all_there").opens();
    let owner = Owner::start("visitor").repo(&REPO).await.unwrap();
    let asked = app().oneshot(get("/gated/all_there", Some(&owner)));
    let response = asked.await.unwrap();
    owner.stop().await.unwrap();
    assert_eq!(text_of(response).await.1, "passed");
}

#[sandboxed]
async fn a_response_whose_reader_is_slow_keeps_no_test_from_settling(sandbox: Sandbox) {
    let mut client = Client::connect(*SERVER).await;
    let request = get("/endless", Some(sandbox.owner()));
    let response = client.send(request).await.unwrap();
    sandbox.settle().await.unwrap();
    sandbox.join().await.unwrap();
    let mut pages = Body::new(response.into_body()).into_data_stream();
    assert!(!pages.next().await.unwrap().unwrap().is_empty());
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn a_response_that_nobody_reads_is_dropped_as_its_owners(sandbox: Sandbox) {
    let gate = Gate::named("unread");
    let response = app()
        .oneshot(get("/events/unread", Some(sandbox.owner())))
        .await
        .unwrap();
    sandbox.settle().await.unwrap();
    std::thread::spawn(move || drop(response)).join().unwrap();
    assert_eq!(gate.left.lock().unwrap().as_deref(), Some(sandbox.name()));
}

#[sandboxed]
fn a_request_is_handled_without_a_runtime_as_well(sandbox: Sandbox) {
    let request = get("/gated/no_runtime", Some(sandbox.owner()));
    Gate::named("no_runtime").opens();
    let answered = std::thread::spawn(move || {
        let answers = async { text_of(app().oneshot(request).await.unwrap()).await };
        futures_executor::block_on(answers)
    });
    assert_eq!(answered.join().unwrap().1, "passed");
}
