//! actix-web serves on threads of its own, which know of no test and of no span. So a middleware runs each request as the
//! owner that it is for: the one test that has started the server, or the one whose token comes with the request.
//!
//! Run with: `cargo test --package actix-web-example`

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use heirloom::http::owner_of;
use heirloom::{BoxError, FromSandbox, FutureExt as _, Repo, Sandbox, Test, sandboxed};
use http::{HeaderMap, HeaderName, HeaderValue};
use sqlx::Sqlite;
use std::net::SocketAddr;
use std::sync::{LazyLock, mpsc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

// The application: a global database, and what is done with it. It is the same in production.

static REPO: Repo<Sqlite> = Repo::new();

fn application(config: &mut ServiceConfig) {
    config
        .route("/guests", web::get().to(count))
        .route("/guests/blocking", web::get().to(count_on_a_thread))
        .route("/guests/{email}", web::post().to(sign_up));
}

async fn sign_up(email: web::Path<String>) -> HttpResponse {
    let insert = sqlx::query("INSERT INTO guests VALUES (?)").bind(email.into_inner());
    match insert.execute(&REPO).await {
        Ok(_) => HttpResponse::Created().finish(),
        Err(error) => failed(&error),
    }
}

async fn count() -> HttpResponse {
    match guests().await {
        Ok(guests) => HttpResponse::Ok().body(guests.to_string()),
        Err(error) => failed(&error),
    }
}

/// `web::block` runs its closure on a thread that belongs to nobody, so the closure brings its owner along.
async fn count_on_a_thread() -> HttpResponse {
    let here = tokio::runtime::Handle::current();
    let counted = web::block(heirloom::owned_fn(move || here.block_on(guests()))).await;
    match counted.expect("no panic") {
        Ok(guests) => HttpResponse::Ok().body(guests.to_string()),
        Err(error) => failed(&error),
    }
}

async fn guests() -> sqlx::Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(&REPO).await
}

fn failed(error: &sqlx::Error) -> HttpResponse {
    HttpResponse::InternalServerError().body(error.to_string())
}

// Its tests. One way: each test starts a server for itself, and all that this server does is the test's.

struct OwnServer(SocketAddr);

impl FromSandbox for OwnServer {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let owner = sandbox.owner().clone();
        let server = HttpServer::new(move || {
            let owner = owner.clone();
            let as_the_test = from_fn(move |request: ServiceRequest, next: Next<_>| {
                async move { next.call(request).await }.owned_by(&owner)
            });
            App::new().configure(application).wrap(as_the_test)
        });
        let server = server.workers(2).disable_signals().bind("127.0.0.1:0")?;
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        drop(tokio::spawn(server));
        sandbox.on_teardown(move || async move {
            handle.stop(true).await;
            Ok(())
        });
        Ok(Self(address))
    }
}

#[sandboxed]
async fn a_server_of_the_tests_own_serves_the_test(server: OwnServer) -> Result<(), BoxError> {
    let signed_up = ask(server.0, "POST", "/guests/ada@example.org", "test").await?;
    assert_eq!(signed_up, (201, String::new()));
    let twice = ask(server.0, "POST", "/guests/ada@example.org", "test").await?;
    assert_eq!(twice.0, 500);
    for path in ["/guests", "/guests/blocking"] {
        let guests = ask(server.0, "GET", path, "test").await?;
        assert_eq!(guests, (200, "1".to_owned()));
    }
    assert_eq!(guests().await?, 1);
    Ok(())
}

// The other way: one server for all tests, and each request brings its test's token. For browsers there is no other.

/// Runs a request as the owner that its user agent names: nobody's token gets nobody's data.
async fn as_the_caller<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B>>> {
    match owner_of(&headers(&request)) {
        Ok(None) => Ok(next.call(request).await?.map_into_left_body()),
        Ok(Some(owner)) => {
            let served = async { next.call(request).await }.owned_by(&owner).await?;
            Ok(served.map_into_left_body())
        }
        Err(refused) => {
            let response = HttpResponse::build(status(refused.status())).body(refused.to_string());
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

/// actix-web is on the types of `http` 0.2.
fn headers(request: &ServiceRequest) -> HeaderMap {
    let headers = request.headers().iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.append(name, value);
    }
    all
}

fn status(status: http::StatusCode) -> actix_web::http::StatusCode {
    actix_web::http::StatusCode::from_u16(status.as_u16()).expect("it is a status")
}

/// The one server of this process: longer than any test, and nobody's.
static SHARED: LazyLock<SocketAddr> = LazyLock::new(|| {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = HttpServer::new(|| {
                let app = App::new().configure(application);
                app.wrap(from_fn(as_the_caller))
            });
            let server = server.workers(2).disable_signals();
            let server = server.bind("127.0.0.1:0").expect("a port");
            tell.send(server.addrs()[0]).expect("it is awaited");
            let server: Server = server.run();
            server.await
        })
    });
    told.recv().expect("it starts")
});

#[test]
fn twenty_tests_at_once_share_a_server_and_no_guests() {
    let run = || {
        Test::here("at_once").run(|sandbox: Sandbox| async move {
            let agent = sandbox.owner().user_agent("Mozilla/5.0");
            let all = async {
                let signed_up = ask(*SHARED, "POST", "/guests/ada@example.org", &agent).await?;
                assert_eq!(signed_up.0, 201, "{}", signed_up.1);
                for path in ["/guests", "/guests/blocking"] {
                    let guests = ask(*SHARED, "GET", path, &agent).await?;
                    assert_eq!(guests, (200, "1".to_owned()));
                }
                Ok::<_, BoxError>(())
            };
            all.await.expect("it is served");
            assert_eq!(guests().await?, 1);
            Ok(())
        })
    };
    std::thread::scope(|scope| {
        let tests: Vec<_> = (0..20).map(|_| scope.spawn(run)).collect();
        for test in tests {
            drop(test.join().expect("it passes"));
        }
    });
}

#[sandboxed]
async fn a_token_that_is_nobodys_gets_nothing() -> Result<(), BoxError> {
    let foreign = format!("Mozilla/5.0 heirloom/{:032x}", 7);
    let refused = ask(*SHARED, "GET", "/guests", &foreign).await?;
    assert_eq!(refused.0, 403, "{}", refused.1);
    let malformed = ask(*SHARED, "GET", "/guests", "Mozilla/5.0 heirloom/ada").await?;
    assert_eq!(malformed.0, 400, "{}", malformed.1);
    Ok(())
}

#[sandboxed]
async fn the_token_of_a_test_that_has_ended_gets_its_name() -> Result<(), BoxError> {
    let ended = std::thread::spawn(|| {
        let mut agent = String::new();
        drop(Test::here("has_asked_before").run(|sandbox: Sandbox| {
            agent = sandbox.owner().user_agent("Mozilla/5.0");
            async { Ok(()) }
        }));
        agent
    });
    let agent = ended.join().expect("it passes");
    let (status, text) = ask(*SHARED, "GET", "/guests", &agent).await?;
    assert_eq!(status, 410, "{text}");
    assert!(text.contains("has_asked_before"), "{text}");
    Ok(())
}

/// Without a token the shared server works for nobody, and says so.
#[sandboxed]
async fn a_request_without_a_token_is_nobodys() -> Result<(), BoxError> {
    let (status, text) = ask(*SHARED, "GET", "/guests", "Mozilla/5.0").await?;
    assert_eq!(status, 500, "{text}");
    assert!(text.contains("nobody owns this use"), "{text}");
    Ok(())
}

/// A request on a connection of its own: the status and the text of the answer.
async fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    agent: &str,
) -> Result<(u16, String), BoxError> {
    let mut socket = TcpStream::connect(server).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {server}\r\nuser-agent: {agent}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).ok_or("no status")?;
    Ok((status.parse()?, body.to_owned()))
}
