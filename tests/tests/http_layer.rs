//! A request runs as the owner whose token it brings, on a server that no test owns: handlers, extractors, bodies, and what
//! they spawn.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post};
use futures_util::{StreamExt as _, stream};
use heirloom::http::{SandboxLayer, owner_of};
use heirloom::{Owner, Repo, Sandbox, StartedOwner, owned_task, sandboxed};
use heirloom_tests::{count, insert, nobodys};
use http::{Client, get, serve, text_of};
use sqlx::Sqlite;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use tower::ServiceExt as _;

static REPO: Repo<Sqlite> = Repo::new();
static OTHER: Repo<Sqlite> = Repo::named("other").migrator(&heirloom_tests::MIGRATOR);

/// One server for all tests of this program.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| serve(app().layer(SandboxLayer::new())));

fn app() -> Router {
    Router::new()
        .route("/who", on_get(async || whose()))
        .route("/sign-up/{email}", post(sign_up))
        .route("/count", on_get(async || answer(count(&REPO).await)))
        .route("/both", on_get(both))
        .route("/extracted", on_get(async |Counted(seen): Counted| seen))
        .route("/spawned", on_get(spawned))
        .route("/lines", on_get(lines))
        .route("/echo", post(echo))
        .route("/panic", on_get(panics))
}

fn whose() -> String {
    heirloom::current().map_or_else(|| "nobody".to_owned(), |owner| owner.name().to_owned())
}

fn answer<T: ToString>(result: sqlx::Result<T>) -> (StatusCode, String) {
    match result {
        Ok(value) => (StatusCode::OK, value.to_string()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn sign_up(axum::extract::Path(email): axum::extract::Path<String>) -> impl IntoResponse {
    answer(insert(&REPO, &email).await.map(|()| "welcome"))
}

async fn both() -> (StatusCode, String) {
    let one = count(&REPO).await.unwrap();
    answer(count(&OTHER).await.map(|other| format!("{one} {other}")))
}

/// What an extractor finds in the database.
struct Counted(String);

impl<S: Sync> FromRequestParts<S> for Counted {
    type Rejection = String;

    async fn from_request_parts(_: &mut ::http::request::Parts, _: &S) -> Result<Self, String> {
        let seen = count(&REPO).await.map_err(|error| error.to_string())?;
        Ok(Self(format!("{} has {seen}", whose())))
    }
}

#[owned_task]
async fn spawned() -> String {
    tokio::spawn(async { whose() }).await.unwrap()
}

/// Each line is read from the database when the body is polled.
async fn lines() -> Body {
    Body::from_stream(stream::iter(0..3).then(async |line| {
        let seen = count(&REPO).await.unwrap();
        Ok::<_, Infallible>(format!("{line}: {} has {seen}\n", whose()))
    }))
}

/// The request's body is read by the handler, chunk by chunk.
async fn echo(body: Body) -> Body {
    let chunks = body.into_data_stream().then(async |chunk| {
        insert(&REPO, &format!("{:?}", chunk.unwrap()))
            .await
            .unwrap();
        Ok::<_, Infallible>(format!("{} ", count(&REPO).await.unwrap()))
    });
    Body::from_stream(chunks)
}

async fn panics() {
    panic!("as it should");
}

fn post_to(path: &str, owner: &Owner) -> Request<Body> {
    let mut request = get(path, Some(owner));
    *request.method_mut() = ::http::Method::POST;
    request
}

/// Another running owner.
async fn another(name: &str) -> StartedOwner {
    Owner::start(name).repo(&REPO).await.unwrap()
}

// PE-1
#[sandboxed]
async fn a_request_with_a_token_uses_its_owners_database(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let mut client = Client::connect(*SERVER).await;
    let who = client.ask(get("/who", Some(&owner))).await;
    assert_eq!(who, (StatusCode::OK, owner.name().to_owned()));
    let signed = client.ask(post_to("/sign-up/bob", &owner)).await;
    assert_eq!(signed, (StatusCode::OK, "welcome".to_owned()));
    assert_eq!(client.ask(get("/count", Some(&owner))).await.1, "2");
    assert_eq!(count(&REPO).await?, 2);
    Ok(())
}

// PE-2
#[sandboxed]
async fn a_request_with_a_token_uses_all_its_owners_repos(owner: Owner) -> sqlx::Result<()> {
    insert(&OTHER, "ada@example.org").await?;
    insert(&OTHER, "bob@example.org").await?;
    let mut client = Client::connect(*SERVER).await;
    assert_eq!(client.ask(get("/both", Some(&owner))).await.1, "0 2");
    Ok(())
}

// PE-3
#[sandboxed]
async fn the_token_may_be_in_a_header_of_another_name(owner: Owner) {
    let name = HeaderName::from_static("x-owner");
    let app = app().layer(SandboxLayer::new().header(name.clone()));
    let mut client = Client::connect(serve(app)).await;
    let mut request = get("/who", None);
    let token = owner.token().to_string();
    request.headers_mut().insert(name, token.parse().unwrap());
    assert_eq!(client.ask(request).await.1, owner.name());
    // Where the user agent is not asked it names nobody.
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, "nobody");
}

#[sandboxed]
async fn the_token_may_be_in_baggage(owner: Owner) {
    let app = app().layer(SandboxLayer::new().baggage());
    let mut client = Client::connect(serve(app)).await;
    let mut request = get("/who", None);
    let baggage = format!("tenant=7,heirloom={};kind=test", owner.token());
    request
        .headers_mut()
        .insert("baggage", baggage.parse().unwrap());
    assert_eq!(client.ask(request).await.1, owner.name());
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, owner.name());
}

// PE-5
#[sandboxed]
async fn a_request_without_a_token_passes_through_and_is_nobodys(owner: Owner) {
    let mut client = Client::connect(*SERVER).await;
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, owner.name());
    assert_eq!(client.ask(get("/who", None)).await.1, "nobody");
    let (status, error) = client.ask(get("/count", None)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(error.contains("nobody owns this use"), "{error}");
}

// PE-6
#[sandboxed]
fn a_token_that_was_written_into_headers_is_read_again(owner: Owner) {
    assert_eq!(owner_of(&owner.headers()).unwrap().as_ref(), Some(&owner));
    let mut headers = owner.headers();
    let agent = owner.user_agent("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0");
    headers.insert("user-agent", HeaderValue::from_str(&agent).unwrap());
    assert_eq!(owner_of(&headers).unwrap().as_ref(), Some(&owner));
    headers.clear();
    assert_eq!(owner_of(&headers).unwrap(), None);
}

#[sandboxed]
async fn one_connection_serves_two_owners_in_turn(owner: Owner) -> sqlx::Result<()> {
    let second = another("second").await;
    let mut client = Client::connect(*SERVER).await;
    for round in 1..=5 {
        for (whose, prefix) in [(&owner, "a"), (&*second, "b")] {
            let path = format!("/sign-up/{prefix}{round}");
            assert_eq!(client.ask(post_to(&path, whose)).await.0, StatusCode::OK);
        }
        let seen = client.ask(get("/extracted", Some(&second))).await.1;
        assert_eq!(seen, format!("second has {round}"));
        assert_eq!(client.ask(get("/who", None)).await.1, "nobody");
    }
    assert_eq!(count(&REPO).await?, 5);
    second.stop().await.unwrap();
    Ok(())
}

#[sandboxed]
async fn an_extractor_and_what_the_handler_spawns_are_the_owners(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let mut client = Client::connect(*SERVER).await;
    let extracted = client.ask(get("/extracted", Some(&owner))).await.1;
    assert_eq!(extracted, format!("{} has 1", owner.name()));
    assert_eq!(
        client.ask(get("/spawned", Some(&owner))).await.1,
        owner.name()
    );
    Ok(())
}

#[sandboxed]
async fn a_response_that_streams_reads_its_owners_rows(sandbox: Sandbox) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let mut client = Client::connect(*SERVER).await;
    let (_, text) = client.ask(get("/lines", Some(sandbox.owner()))).await;
    let name = sandbox.name();
    assert_eq!(
        text,
        format!("0: {name} has 1\n1: {name} has 1\n2: {name} has 1\n")
    );
    Ok(())
}

#[sandboxed]
async fn a_request_body_that_streams_is_read_as_the_owner(owner: Owner) -> sqlx::Result<()> {
    let mut client = Client::connect(*SERVER).await;
    let chunks = stream::iter(["one", "two", "three"]).then(async |chunk| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Bytes::from(chunk))
    });
    let mut request = post_to("/echo", &owner);
    *request.body_mut() = Body::from_stream(chunks);
    let (status, text) = client.ask(request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.ends_with(&format!("{} ", count(&REPO).await?)),
        "{text}"
    );
    assert!(count(&REPO).await? >= 1);
    Ok(())
}

#[sandboxed]
async fn a_handler_that_panics_closes_the_connection_and_its_owner_hears_of_it(sandbox: Sandbox) {
    let mut client = Client::connect(*SERVER).await;
    let closed = client.send(get("/panic", Some(sandbox.owner()))).await;
    assert!(closed.unwrap_err().is_incomplete_message());
    let panics = sandbox.take_panics();
    let [panic] = &panics[..] else {
        panic!("not one: {panics:?}");
    };
    assert_eq!(panic.message, "as it should");
    let told = panic.to_string();
    assert!(
        told.contains("request `GET /panic`, taken by the layer made at"),
        "{told}"
    );
    assert!(told.contains(file!()), "{told}");
    // The same without an owner, to compare.
    let mut client = Client::connect(*SERVER).await;
    let closed = client.send(get("/panic", None)).await;
    assert!(closed.unwrap_err().is_incomplete_message());
}

#[sandboxed]
async fn a_router_is_asked_in_process_with_a_token_and_without(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("in_process").await;
    let app = app().layer(SandboxLayer::new());
    let ask = async |request| text_of(app.clone().oneshot(request).await.unwrap()).await.1;
    // In the test's own task nobody has to be named.
    assert_eq!(ask(get("/who", None)).await, owner.name());
    assert_eq!(ask(get("/lines", Some(&owner))).await.lines().count(), 3);
    let seen = ask(get("/extracted", Some(&second))).await;
    assert_eq!(seen, "in_process has 0");
    second.stop().await.unwrap();
    Ok(())
}

#[sandboxed]
async fn a_server_of_one_test_needs_no_token(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let second = another("visitor").await;
    let address = serve(app().layer(SandboxLayer::owner_of_this_instance()));
    let mut client = Client::connect(address).await;
    let seen = client.ask(get("/extracted", None)).await.1;
    assert_eq!(seen, format!("{} has 1", owner.name()));
    // A token is closer.
    let seen = client.ask(get("/extracted", Some(&second))).await.1;
    assert_eq!(seen, "visitor has 0");
    second.stop().await.unwrap();
    Ok(())
}

#[test]
fn a_server_of_no_test_is_nobodys() {
    let app = app().layer(SandboxLayer::owner_of_this_instance());
    let response = nobodys().block_on(app.oneshot(get("/who", None)));
    let text = nobodys().block_on(text_of(response.unwrap()));
    assert_eq!(text.1, "nobody");
}
