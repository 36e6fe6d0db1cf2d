//! What servers and middleware spawn inside of themselves, where no attribute reaches.
#![cfg(tokio_unstable)]

use axum::Router;
use axum::routing::{get, post};
use heirloom::{BoxError, Owner, Sandbox, Test, current, sandboxed};
use heirloom_unstable::{SHARED, guests, insert, start, until_none_is_left};
use std::net::SocketAddr;
use std::sync::Barrier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::{ServiceExt as _, service_fn};

/// An application that reaches its database through the global repo.
fn app() -> Router {
    let sign_up = async |email: String| match insert(email).await {
        Ok(()) => "welcome".to_owned(),
        Err(error) => error.to_string(),
    };
    let list = async || match guests().await {
        Ok(guests) => guests.join(" "),
        Err(error) => error.to_string(),
    };
    Router::new()
        .route("/sign-up", post(sign_up))
        .route("/", get(list))
}

/// Serves it on the shared runtime: axum spawns a task for every connection.
async fn serve() -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let started = SHARED.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async { axum::serve(listener, app()).await.expect("it serves") });
        Ok((address, server))
    });
    started.await.expect("no panic")
}

/// A request on a connection of its own; what the answer says.
async fn ask(address: SocketAddr, request: &str, body: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    Ok(body.unwrap_or(answer))
}

#[test]
fn two_servers_on_one_runtime_serve_two_tests() {
    let both = Barrier::new(2);
    let run = |name: &'static str| {
        let ran = Test::here(name).run(async |sandbox: Sandbox| {
            let (address, server) = serve().await?;
            both.wait();
            for number in 0..10 {
                let email = format!("{number}@{name}.example.org");
                assert_eq!(ask(address, "POST /sign-up", &email).await?, "welcome");
            }
            both.wait();
            let listed = ask(address, "GET /", "").await?;
            let expected: Vec<_> = (0..10).map(|n| format!("{n}@{name}.example.org")).collect();
            assert_eq!(listed, expected.join(" "));
            server.abort();
            until_none_is_left(sandbox.owner()).await;
            Ok(())
        });
        drop(ran);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run("one"));
        scope.spawn(|| run("two"));
    });
}

#[sandboxed]
async fn the_worker_that_a_buffer_spawns(owner: Owner) -> Result<(), BoxError> {
    // `Buffer::new` spawns the task that the inner service is called in.
    let service = start(async {
        let inner = service_fn(async |()| Ok::<_, BoxError>(current()));
        tower::buffer::Buffer::new(inner, 4)
    });
    let service = service.await?;
    assert_eq!(service.clone().oneshot(()).await?, Some(owner.clone()));
    drop(service);
    until_none_is_left(&owner).await;
    Ok(())
}
