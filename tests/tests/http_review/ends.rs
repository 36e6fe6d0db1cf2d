//! Owners and servers that end at bad moments.

use crate::app::{Gate, SERVER, another, app, on_a_thread, stop, waiting};
use crate::http::{Client, get, serve, serve_on};
use ::http::StatusCode;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get as on_get;
use futures_util::{StreamExt as _, stream};
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Sandbox, sandboxed};
use std::convert::Infallible;
use tower::ServiceExt as _;

#[sandboxed]
async fn a_server_that_outlives_its_one_test_refuses_what_comes_then(owner: Owner) {
    let second = another("gone").await;
    let entered = second.enter();
    let layer = SandboxLayer::owner_of_this_instance();
    drop(entered);
    let mut client = Client::connect(serve(app().layer(layer))).await;
    assert_eq!(client.ask(get("/who", None)).await.1, "gone");
    stop(second).await.unwrap();
    let (status, said) = client.ask(get("/who", None)).await;
    assert_eq!(status, StatusCode::GONE, "{said}");
    assert!(said.contains("`gone`"), "{said}");
    assert_eq!(client.ask(get("/who", Some(&owner))).await.1, owner.name());
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
