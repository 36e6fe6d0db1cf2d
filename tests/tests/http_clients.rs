//! Clients: fifty at once with fifty owners, the layer that puts the token on requests, reqwest, child processes.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::{HeaderMap, Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get as on_get, post};
use futures_util::future::join_all;
use heirloom::http::{SandboxLayer, TokenLayer};
use heirloom::{FutureExt as _, Owner, Repo, Sandbox, StartedOwner, sandboxed};
use heirloom_tests::{count, insert, nobodys};
use http::{Client, get, serve, text_of};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sqlx::{PgPool, Postgres, Sqlite};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{Barrier, Semaphore};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

static REPO: Repo<Sqlite> = Repo::new();
static POSTGRES: Repo<Postgres> = Repo::named("postgres").migrator(&heirloom_tests::MIGRATOR);

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| serve(app()));

fn app() -> Router {
    let who = async || heirloom::current().map_or("nobody".to_owned(), |it| it.name().to_owned());
    Router::new()
        .route("/who", on_get(who))
        .route("/sqlite/{email}", post(sign_up_on_sqlite))
        .route("/postgres/{email}", post(sign_up_on_postgres))
        .route(
            "/headers",
            on_get(async |headers: HeaderMap| format!("{headers:?}")),
        )
        .layer(SandboxLayer::new())
}

async fn sign_up_on_sqlite(Path(email): Path<String>) -> String {
    insert(&REPO, &email).await.unwrap();
    let all = sqlx::query_scalar::<_, String>("SELECT email FROM guests ORDER BY id");
    all.fetch_all(&REPO).await.unwrap().join(" ")
}

async fn sign_up_on_postgres(Path(email): Path<String>) -> String {
    let sql = "INSERT INTO guests (id, email) SELECT count(*) + 1, $1 FROM guests";
    sqlx::query(sql)
        .bind(email)
        .execute(&POSTGRES)
        .await
        .unwrap();
    let all = sqlx::query_scalar::<_, String>("SELECT email FROM guests ORDER BY id");
    all.fetch_all(&POSTGRES).await.unwrap().join(" ")
}

/// One of many: it signs up the same guests as everybody else, which would fail in one database, and sees its own only.
async fn visit(owner: StartedOwner, path: &str) {
    let mut client = Client::connect(*SERVER).await;
    let mut expected = String::new();
    for (round, name) in ["ada", "bob", "eve"].into_iter().enumerate() {
        let mut request = get(&format!("/{path}/{name}"), Some(&owner));
        *request.method_mut() = ::http::Method::POST;
        let (status, seen) = client.ask(request).await;
        expected.push_str(if round == 0 { "" } else { " " });
        expected.push_str(name);
        assert_eq!((status, seen), (StatusCode::OK, expected.clone()));
        let who = client.ask(get("/who", Some(&owner))).await.1;
        assert_eq!(who, owner.name());
    }
    owner.stop().await.unwrap();
}

const CLIENTS: usize = 50;

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_of_fifty_owners_see_their_own_rows_only_on_sqlite() {
    let all_there = Arc::new(Barrier::new(CLIENTS));
    let visits = (0..CLIENTS).map(|number| {
        let all_there = Arc::clone(&all_there);
        tokio::spawn(async move {
            let owner = Owner::start(format!("visitor {number}")).repo(&REPO);
            let owner = owner.await.unwrap();
            all_there.wait().await;
            visit(owner, "sqlite").await;
        })
    });
    for visit in join_all(visits).await {
        visit.unwrap();
    }
    assert_eq!(count(&REPO).await.unwrap(), 0, "the test's own rows");
}

/// An owner waits until the server has a session for it, so not all of them are there at once.
#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_of_fifty_owners_see_their_own_rows_only_on_postgres(pool: PgPool) {
    let visits = (0..CLIENTS).map(|number| {
        tokio::spawn(async move {
            let owner = Owner::start(format!("visitor {number}")).repo(&POSTGRES);
            visit(owner.await.unwrap(), "postgres").await;
        })
    });
    for visit in join_all(visits).await {
        visit.unwrap();
    }
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(seen, 0, "the test's own rows");
}

/// A client with a pool of connections, as applications have it.
fn pooled() -> legacy::Client<HttpConnector, Body> {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

fn to(path: &str) -> Request<Body> {
    Request::get(format!("http://{}{path}", *SERVER))
        .body(Body::empty())
        .unwrap()
}

#[sandboxed]
async fn a_client_with_the_layer_sends_the_token_of_whoever_calls_it(owner: Owner) {
    let other = Owner::start("other").await.unwrap();
    // One client and its connections are shared by everybody.
    let client = TokenLayer::new().layer(pooled());
    let who = async |path| {
        text_of(client.clone().oneshot(to(path)).await.unwrap())
            .await
            .1
    };
    for _ in 0..3 {
        assert_eq!(who("/who").await, owner.name());
        assert_eq!(async { who("/who").await }.owned_by(&other).await, "other");
    }
    other.stop().await.unwrap();
}

#[test]
fn a_client_of_nobody_sends_no_token() {
    let client = TokenLayer::new().layer(pooled());
    let asked = async { text_of(client.oneshot(to("/who")).await.unwrap()).await };
    assert_eq!(nobodys().block_on(asked).1, "nobody");
}

#[sandboxed]
async fn the_layer_keeps_what_the_request_says_of_itself(owner: Owner) {
    let client = TokenLayer::new().baggage().layer(pooled());
    let mut request = to("/headers");
    request
        .headers_mut()
        .insert("user-agent", "curl/8".parse().unwrap());
    request
        .headers_mut()
        .insert("baggage", "tenant=7;p".parse().unwrap());
    let seen = text_of(client.oneshot(request).await.unwrap()).await.1;
    let token = owner.token();
    assert!(
        seen.contains(&format!("\"curl/8 heirloom/{token}\"")),
        "{seen}"
    );
    assert!(
        seen.contains(&format!("\"tenant=7;p,heirloom={token}\"")),
        "{seen}"
    );
}

/// What a client would send, without sending it.
async fn sent(layer: TokenLayer, uri: &str) -> HeaderMap {
    let echo = service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(request.headers().clone()))
    });
    let mut client = layer.layer(echo);
    let request = Request::get(uri).body(Body::empty()).unwrap();
    client
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap()
        .into_body()
}

#[sandboxed]
async fn no_token_leaves_this_machine_unless_that_was_allowed(owner: Owner) {
    for uri in [
        "http://example.org/",
        "https://10.1.2.3/x",
        "http://localhost.example.org/",
    ] {
        assert!(sent(TokenLayer::new(), uri).await.is_empty(), "{uri}");
        let allowed = sent(TokenLayer::new().allow_remote(), uri).await;
        assert_eq!(allowed["user-agent"], *owner.user_agent(""));
    }
    let here = sent(TokenLayer::new(), "http://localhost:1/").await;
    assert_eq!(here, owner.headers());
    assert!(
        !format!("{here:?}").contains(&owner.token().to_string()),
        "{here:?}"
    );
}

#[sandboxed]
async fn a_client_in_process_needs_no_host(owner: Owner) {
    let app = TokenLayer::new().layer(app());
    let asked = async {
        let request = Request::get("/who").body(Body::empty()).unwrap();
        text_of(app.oneshot(request).await.unwrap()).await.1
    };
    assert_eq!(asked.await, owner.name());
}

#[sandboxed]
async fn reqwest_sends_the_token_in_its_default_headers(owner: Owner) {
    let client = reqwest::Client::builder()
        .default_headers(owner.headers())
        .build()
        .unwrap();
    let url = format!("http://{}/who", *SERVER);
    let text = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, owner.name());
    // Or in the user agent that it has anyway.
    let agent = owner.user_agent("my-client/1.0");
    let client = reqwest::Client::builder()
        .user_agent(agent)
        .build()
        .unwrap();
    let text = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, owner.name());
}

/// A server that knows nothing of owners, on threads of its own, as wiremock's: it answers when it is let.
fn stranger() -> (SocketAddr, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, let_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (asks, lets) = (Arc::clone(&asked), Arc::clone(&let_on));
    let wait = async move || {
        asks.add_permits(1);
        lets.acquire().await.unwrap().forget();
        "at last"
    };
    (
        serve(Router::new().route("/wait", on_get(wait))),
        asked,
        let_on,
    )
}

#[sandboxed]
async fn a_request_that_was_sent_keeps_its_test_from_settling_until_it_is_answered(
    sandbox: Sandbox,
) {
    let (address, asked, let_on) = stranger();
    let client = TokenLayer::new().layer(pooled());
    let request = Request::get(format!("http://u:pw@{address}/wait?key=secret"));
    let request = request.body(Body::empty()).unwrap();
    let answer = tokio::spawn(async move { text_of(client.oneshot(request).await.unwrap()).await });
    asked.acquire().await.unwrap().forget();
    let error = sandbox
        .settle_within(Duration::from_millis(100))
        .await
        .unwrap_err()
        .to_string();
    let line = format!("request `GET http://{address}/wait`, sent by the layer made at");
    assert!(
        error.contains(&line) && error.contains("no response for"),
        "{error}"
    );
    assert!(
        error.contains(file!()) && !error.contains("secret") && !error.contains("pw"),
        "{error}"
    );
    let_on.add_permits(1);
    sandbox.settle().await.unwrap();
    assert!(answer.is_finished());
}

#[sandboxed]
async fn a_request_that_is_given_up_is_no_longer_waited_for(sandbox: Sandbox) {
    let (address, asked, _let_on) = stranger();
    let client = TokenLayer::new().layer(pooled());
    let request = Request::get(format!("http://{address}/wait"))
        .body(Body::empty())
        .unwrap();
    tokio::select! {
        _ = client.oneshot(request) => unreachable!("nobody lets it on"),
        permit = asked.acquire() => permit.unwrap().forget(),
    }
    sandbox.settle().await.unwrap();
}

/// Runs in a process of its own, too, which has no owner but its parent's.
#[test]
fn the_token_that_a_parent_handed_down_is_sent() {
    let inherited = std::env::var("HEIRLOOM_OWNER").ok();
    let expected = inherited.map(|token| format!("heirloom/{token}"));
    let headers = nobodys().block_on(sent(TokenLayer::new(), "http://localhost/"));
    let agent = headers
        .get("user-agent")
        .map(|agent| agent.to_str().unwrap().to_owned());
    assert_eq!(agent, expected);
    println!("sent: {}", agent.unwrap_or_default());
}

#[sandboxed]
fn a_child_process_sends_its_parents_token(owner: Owner) {
    let child = |token: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "the_token_that_a_parent_handed_down_is_sent",
                "--nocapture",
            ])
            .env("HEIRLOOM_OWNER", token)
            .output()
            .unwrap()
    };
    let token = owner.token().to_string();
    let sent = child(&token);
    let output = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(sent.status.success(), "{output}");
    assert!(
        output.contains(&format!("sent: heirloom/{token}")),
        "{output}"
    );
    // What is no token is not sent.
    assert!(!child("Bearer of something else").status.success());
}
