//! Whose a request is in odd stacks of layers, in tasks that nobody annotated, and among others on one connection.

use crate::app::{REPO, SERVER, another, app, stop, whose};
use crate::http::{Client, get, serve, text_of};
use ::http::Request;
use axum::Router;
use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures_util::StreamExt as _;
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Sandbox, sandboxed};
use heirloom_tests::{count, insert, nobodys};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tower::ServiceExt as _;

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
        .layer(SandboxLayer::owner_of_this_instance());
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
