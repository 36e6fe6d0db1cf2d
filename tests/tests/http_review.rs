//! A sceptic's requests: odd stacks of layers, tasks that nobody annotated, ends at bad moments, clients that go away.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::{Request, StatusCode};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request as AxumRequest};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get as on_get, post};
use futures_util::{StreamExt as _, stream};
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Repo, Sandbox, StartedOwner, owned_task, sandboxed};
use heirloom_tests::{Random, count, insert, nobodys};
use http::{Client, get, serve, serve_on, text_of};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sqlx::Sqlite;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt as _;

static REPO: Repo<Sqlite> = Repo::new();

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| serve(app().layer(SandboxLayer::new())));

fn app() -> Router {
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

fn whose() -> String {
    heirloom::current().map_or_else(|| "nobody".to_owned(), |owner| owner.name().to_owned())
}

async fn counted() -> String {
    match count(&REPO).await {
        Ok(seen) => format!("{} has {seen}", whose()),
        Err(error) => error.to_string(),
    }
}

async fn sign_up(Path(email): Path<String>) -> String {
    insert(&REPO, &email)
        .await
        .map_or_else(|error| error.to_string(), |()| "welcome".to_owned())
}

#[owned_task]
async fn spawned() -> String {
    tokio::spawn(async { counted().await }).await.unwrap()
}

async fn spawned_by_hand() -> String {
    tokio::spawn(counted()).await.unwrap()
}

async fn blocking() -> String {
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || handle.block_on(counted()))
        .await
        .unwrap()
}

async fn endless() -> Body {
    Body::from_stream(
        stream::repeat(()).then(async |()| Ok::<_, Infallible>(Bytes::from(counted().await))),
    )
}

/// A line, and then nothing.
async fn pausing() -> Body {
    let line = stream::once(async { Ok::<_, Infallible>(Bytes::from(counted().await)) });
    Body::from_stream(line.chain(stream::pending()))
}

/// Another owner, on the runtime of nobody.
async fn another(name: &str) -> StartedOwner {
    let name = name.to_owned();
    let starts = async move { Owner::start(&name).repo(&REPO).await };
    nobodys().spawn(starts).await.unwrap().unwrap()
}

async fn stop(owner: StartedOwner) -> Result<(), heirloom::Error> {
    nobodys().spawn(owner.stop()).await.unwrap()
}

/// In code that is not annotated, so it is nobody's.
fn on_a_thread(
    thread: std::thread::Builder,
    run: impl FnOnce() + Send + 'static,
) -> std::thread::JoinHandle<()> {
    thread.spawn(run).unwrap()
}

#[sandboxed]
async fn what_a_handler_spawns_unannotated_is_refused_and_never_anybody_elses(
    owner: Owner,
) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("visitor").await;
    let mut client = Client::connect(*SERVER).await;
    for whose in [&owner, &second] {
        let said = client.ask(get("/spawned-by-hand", Some(whose))).await.1;
        assert!(said.contains("nobody owns this use"), "{said}");
        let said = client.ask(get("/blocking", Some(whose))).await.1;
        assert!(said.contains("nobody owns this use"), "{said}");
    }
    assert_eq!(
        client.ask(get("/spawned", Some(&second))).await.1,
        "visitor has 0"
    );
    stop(second).await.unwrap();
    Ok(())
}

/// As anything else that nobody annotated: so a server that several owners share runs on a runtime of nobody's.
#[sandboxed]
async fn on_a_tests_runtime_what_is_spawned_unannotated_is_that_tests_whoevers_the_request(
    owner: Owner,
) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("visitor").await;
    let app = app().layer(SandboxLayer::new());
    let ask = async |path| {
        let response = app.clone().oneshot(get(path, Some(&second))).await;
        text_of(response.unwrap()).await.1
    };
    assert_eq!(ask("/spawned").await, "visitor has 0");
    for path in ["/spawned-by-hand", "/blocking"] {
        assert_eq!(ask(path).await, format!("{} has 1", owner.name()));
    }
    stop(second).await.unwrap();
    Ok(())
}

#[sandboxed]
async fn middleware_outside_the_layer_is_nobodys_and_inside_the_owners(owner: Owner) {
    async fn outside(request: AxumRequest, next: Next) -> Response {
        assert_eq!(whose(), "nobody");
        let response = next.run(request).await;
        assert_eq!(whose(), "nobody");
        response
    }
    async fn inside(request: AxumRequest, next: Next) -> Response {
        let name = whose();
        let before = count(&REPO).await.unwrap();
        let mut response = next.run(request).await;
        assert_eq!(whose(), name);
        let seen = format!("{name} {before}").parse().unwrap();
        response.headers_mut().insert("x-seen", seen);
        response
    }
    let app = app()
        .layer(from_fn(inside))
        .layer(SandboxLayer::new())
        .layer(from_fn(outside));
    let mut client = Client::connect(serve(app)).await;
    let response = client.send(get("/who", Some(&owner))).await.unwrap();
    let seen = response.headers()["x-seen"].to_str().unwrap().to_owned();
    assert_eq!(seen, format!("{} 0", owner.name()));
    assert_eq!(text_of(response).await.1, owner.name());
}

#[sandboxed]
async fn routes_fallbacks_and_nested_routers_are_the_owners(owner: Owner) {
    let inner = Router::new().nest("/deep", app());
    let layered = Router::new()
        .nest("/a", inner.clone().layer(SandboxLayer::new()))
        .nest("/b", inner.route_layer(SandboxLayer::new()))
        .merge(app().layer(SandboxLayer::new()));
    let mut client = Client::connect(serve(layered)).await;
    for path in ["/a/deep/who", "/b/deep/who", "/who"] {
        let who = client.ask(get(path, Some(&owner))).await.1;
        assert_eq!(who, owner.name(), "{path}");
    }
    let lost = client.ask(get("/lost", Some(&owner))).await.1;
    assert_eq!(lost, format!("nothing for {}", owner.name()));
}

#[sandboxed]
async fn two_layers_one_in_the_other_are_one(owner: Owner, sandbox: Sandbox) {
    let app = app()
        .layer(SandboxLayer::new())
        .layer(SandboxLayer::new().baggage())
        .layer(SandboxLayer::of_this_instance());
    let mut client = Client::connect(serve(app)).await;
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, owner.name());
    assert_eq!(client.ask(get("/who", None)).await.1, owner.name());
    let second = another("visitor").await;
    assert_eq!(
        client.ask(get("/count", Some(&second))).await.1,
        "visitor has 0"
    );
    stop(second).await.unwrap();
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn a_request_of_one_owner_inside_anothers_ends_with_its_own(
    owner: Owner,
) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("visitor").await;
    let app = app().layer(SandboxLayer::new());
    let inner = get("/count", Some(&second));
    let entered =
        heirloom::owned(async move { text_of(app.oneshot(inner).await.unwrap()).await.1 });
    assert_eq!(entered.await, "visitor has 0");
    assert_eq!(whose(), owner.name());
    stop(second).await.unwrap();
    Ok(())
}

#[sandboxed]
async fn a_buffer_around_the_handlers_keeps_each_requests_owner(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("visitor").await;
    // Its worker is made where nobody is.
    let worker = nobodys().enter();
    let buffered = tower::buffer::Buffer::new(app().into_service::<Body>(), 8);
    drop(worker);
    let app = tower::ServiceBuilder::new()
        .layer(SandboxLayer::new())
        .service(buffered);
    for (who, seen) in [(&owner, 1), (&second, 0)] {
        let response = app.clone().oneshot(get("/spawned", Some(who))).await;
        let said = text_of(response.unwrap()).await.1;
        assert_eq!(said, format!("{} has {seen}", who.name()));
    }
    stop(second).await.unwrap();
    Ok(())
}

#[sandboxed]
async fn a_server_that_outlives_its_one_test_refuses_what_comes_then(owner: Owner) {
    let second = another("gone").await;
    let entered = second.enter();
    let layer = SandboxLayer::of_this_instance();
    drop(entered);
    let mut client = Client::connect(serve(app().layer(layer))).await;
    assert_eq!(client.ask(get("/who", None)).await.1, "gone");
    stop(second).await.unwrap();
    let (status, said) = client.ask(get("/who", None)).await;
    assert_eq!(status, StatusCode::GONE, "{said}");
    assert!(said.contains("`gone`"), "{said}");
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, owner.name());
}

/// What a handler waits at.
#[derive(Clone, Default)]
struct Gate {
    reached: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn pass(&self) {
        self.reached.notify_one();
        self.open.notified().await;
    }
}

/// Handlers that park.
fn waiting(gate: &Gate) -> Router {
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

#[sandboxed]
async fn a_handler_whose_owner_ends_is_dropped_where_it_waits_and_its_client_is_told() {
    let gate = Gate::default();
    let server = serve(waiting(&gate));
    for path in ["/parked", "/in-transaction"] {
        let second = another("short").await;
        let mut client = Client::connect(server).await;
        let request = get(path, Some(&second));
        let answer = tokio::spawn(async move { client.ask(request).await });
        gate.reached.notified().await;
        stop(second).await.unwrap();
        let (status, said) = answer.await.unwrap();
        assert_eq!(status, StatusCode::GONE, "{said}");
        assert!(said.contains("`short`"), "{said}");
    }
}

#[sandboxed]
async fn an_endless_response_ends_with_its_owner_and_its_client_sees_it_broken_off() {
    let second = another("streaming").await;
    let mut client = Client::connect(*SERVER).await;
    let response = client.send(get("/stream", Some(&second))).await.unwrap();
    let mut body = Body::new(response.into_body()).into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"streaming has 0"), "{first:?}");
    stop(second).await.unwrap();
    let failed = body.any(|chunk| std::future::ready(chunk.is_err())).await;
    assert!(failed, "it looked like all of it");
}

/// Nobody reads, so the server cannot write on.
#[sandboxed]
async fn an_owner_ends_although_a_client_never_reads_its_response() {
    let second = another("unread").await;
    let mut client = Client::connect(*SERVER).await;
    let response = client.send(get("/stream", Some(&second))).await.unwrap();
    stop(second).await.unwrap();
    drop(response);
}

#[sandboxed]
async fn clients_that_go_away_at_any_moment_leave_a_sandbox_that_works(
    sandbox: Sandbox,
) -> sqlx::Result<()> {
    let mut random = Random::seeded();
    let begun = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&begun);
    let work = async move |Path(number): Path<usize>| {
        counting.fetch_add(1, Ordering::SeqCst);
        let mut transaction = REPO.begin().await.unwrap();
        for half in 0..2 {
            sqlx::query("INSERT INTO guests (email) VALUES (?)")
                .bind(format!("{number}-{half}"))
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        "done"
    };
    let app = Router::new()
        .route("/work/{number}", on_get(work))
        .layer(SandboxLayer::new());
    let server = serve(app);
    let slots = Arc::new(Semaphore::new(16));
    let mut clients = Vec::new();
    for number in 0..1000 {
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let request = get(&format!("/work/{number}"), Some(sandbox.owner()));
        let patience = Duration::from_micros(random.below(30_000));
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(server).await;
            let answered = tokio::time::timeout(patience, client.ask(request)).await;
            drop((client, slot));
            answered.is_ok()
        }));
    }
    let mut answered = 0;
    for client in clients {
        answered += usize::from(client.await.unwrap());
    }
    sandbox
        .settle_within(Duration::from_secs(30))
        .await
        .unwrap();
    let begun = begun.load(Ordering::SeqCst);
    println!("{answered} answered, {begun} begun");
    let rows = usize::try_from(count(&REPO).await?).unwrap();
    assert_eq!(rows, 2 * begun, "each that began has finished, whole");
    Ok(())
}

/// A server whose runtime is gone before its handlers are done, with their clients and without.
#[sandboxed]
async fn a_server_that_is_shut_down_before_its_owners_end_leaves_them_in_order(sandbox: Sandbox) {
    for threads in [0, 2] {
        let runtime = match threads {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = { runtime }.enable_all().build().unwrap();
        let gate = Gate::default();
        let server = serve_on(&runtime, waiting(&gate));
        let (leave, left) = std::sync::mpsc::channel::<()>();
        let runs = std::thread::Builder::new().name("server".into());
        let runs = on_a_thread(runs, move || {
            runtime.block_on(async { tokio::task::spawn_blocking(move || left.recv()).await.ok() });
            drop(runtime);
        });
        let second = another("short").await;
        let mut clients = Vec::new();
        for path in ["/parked", "/in-transaction"] {
            let mut client = Client::connect(server).await;
            let request = get(path, Some(&second));
            clients.push(tokio::spawn(
                async move { client.send(request).await.is_ok() },
            ));
            gate.reached.notified().await;
        }
        // One of them waits no longer.
        clients.remove(0).abort();
        drop(leave);
        tokio::task::spawn_blocking(move || runs.join().unwrap())
            .await
            .unwrap();
        assert!(!clients.remove(0).await.unwrap());
        stop(second).await.unwrap();
    }
    sandbox.settle().await.unwrap();
}

type Http2 = hyper::client::conn::http2::SendRequest<Body>;

async fn send(client: &Http2, request: Request<Body>) -> Response<hyper::body::Incoming> {
    let mut client = client.clone();
    client.ready().await.unwrap();
    client.send_request(request).await.unwrap()
}

/// One connection, its streams side by side.
async fn http2(server: SocketAddr) -> Http2 {
    let stream = tokio::net::TcpStream::connect(server).await.unwrap();
    let (executor, io) = (TokioExecutor::new(), TokioIo::new(stream));
    let made = hyper::client::conn::http2::handshake(executor, io).await;
    let (sender, connection) = made.unwrap();
    drop(tokio::spawn(connection));
    sender
}

fn over_http2(path: &str, owner: &Owner) -> Request<Body> {
    let mut request = get(path, Some(owner));
    *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
    request.headers_mut().remove("host");
    request
}

#[sandboxed]
async fn streams_of_one_http2_connection_are_each_their_owners_and_end_alone() {
    let client = http2(*SERVER).await;
    let mut owners = Vec::new();
    for number in 0..10 {
        let owner = another(&format!("stream{number}")).await;
        let endless = send(&client, over_http2("/pause", &owner)).await;
        for email in 0..number {
            let mut request = over_http2(&format!("/sign-up/{email}"), &owner);
            *request.method_mut() = ::http::Method::POST;
            send(&client, request).await;
        }
        owners.push((owner, Body::new(endless.into_body()).into_data_stream()));
    }
    let asked = owners.iter().map(async |(owner, _)| {
        text_of(send(&client, over_http2("/spawned", owner)).await)
            .await
            .1
    });
    let told = futures_util::future::join_all(asked).await;
    for (number, told) in told.into_iter().enumerate() {
        assert_eq!(told, format!("stream{number} has {number}"));
    }
    // Every second one ends; the others go on.
    for (number, (owner, mut body)) in owners.into_iter().enumerate() {
        let name = owner.name().to_owned();
        if number % 2 == 0 {
            stop(owner).await.unwrap();
            let failed = body.any(|chunk| std::future::ready(chunk.is_err())).await;
            assert!(failed, "it looked like all of it");
        } else {
            let chunk = body.next().await.unwrap().unwrap();
            assert!(chunk.starts_with(name.as_bytes()), "{chunk:?}");
            drop(body);
            stop(owner).await.unwrap();
        }
    }
}

/// In process nobody stands between the body and its reader.
#[sandboxed]
#[should_panic(expected = "its owner `ended` has ended")]
async fn a_body_that_is_read_in_process_after_its_owners_end_tells_why_it_broke_off() {
    let second = another("ended").await;
    let app = app().layer(SandboxLayer::new());
    let response = app.oneshot(get("/stream", Some(&second))).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    body.next().await.unwrap().unwrap();
    stop(second).await.unwrap();
    let _cut_off = body.next().await;
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("it goes off");
    }
}

/// A handler or a body that panics when it is dropped, with its client there or gone.
#[sandboxed]
async fn what_panics_when_it_is_dropped_at_its_owners_end_harms_nobody_else() {
    let gate = Gate::default();
    let (in_handler, in_body) = (gate.clone(), gate.clone());
    let handler = async move || {
        let _bomb = Bomb;
        in_handler.pass().await;
    };
    let body = async move || {
        let bomb = Bomb;
        let waits = stream::once(async move { in_body.pass().await });
        Body::from_stream(waits.map(move |()| {
            let _bomb = &bomb;
            Ok::<_, Infallible>(Bytes::new())
        }))
    };
    let app = Router::new()
        .route("/handler", on_get(handler))
        .route("/body", on_get(body))
        .layer(SandboxLayer::new());
    let server = serve(app);
    for (path, leaves) in [("/handler", false), ("/handler", true), ("/body", false)] {
        let second = another("bombed").await;
        let mut client = Client::connect(server).await;
        let request = get(path, Some(&second));
        let answer = tokio::spawn(async move {
            let body = Body::new(client.send(request).await.ok()?.into_body());
            axum::body::to_bytes(body, usize::MAX).await.ok()
        });
        gate.reached.notified().await;
        if leaves {
            answer.abort();
        }
        stop(second).await.unwrap();
        if !leaves {
            assert_eq!(answer.await.unwrap(), None, "{path}");
        }
    }
}
