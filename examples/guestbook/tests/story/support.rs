//! What the tests ask for: the guestbook without a network, the guestbook on a real port.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use guestbook::{Guestbook, Live, Pool, Statistics};
use heirloom::{BoxError, FromSandbox, Sandbox, owned_task};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub(crate) type TestResult = Result<(), BoxError>;

/// The guestbook without a network: requests go straight into its router.
pub(crate) struct TestApp {
    pub(crate) pool: Pool,
    guestbook: Guestbook,
}

impl FromSandbox for TestApp {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(Self {
            pool: sandbox.get().await?,
            guestbook: Guestbook::open(),
        })
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// What a refused request was told.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl TestApp {
    pub(crate) fn router(&self) -> Router {
        self.guestbook.router()
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        self.guestbook.statistics()
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        self.guestbook.tasks()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(self.router(), Request::get(path).body(Body::empty())).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as("application/json", path, body.to_string())
            .await
    }

    pub(crate) async fn post_form(&self, path: &str, body: &str) -> Answer {
        self.post_as("application/x-www-form-urlencoded", path, body.to_owned())
            .await
    }

    pub(crate) async fn post_as(&self, kind: &str, path: &str, body: String) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body));
        ask(self.router(), request).await
    }

    pub(crate) async fn sign_up(&self, name: &str, email: &str) -> Answer {
        sign_up(self.router(), name, email).await
    }

    pub(crate) async fn sign(&self, email: &str, text: &str) -> Answer {
        let entry = json!({ "email": email, "text": text });
        self.post("/api/entries", &entry).await
    }

    /// Ends the application as its server does.
    pub(crate) async fn close(self) {
        self.guestbook.close().await;
    }
}

pub(crate) async fn sign_up(router: Router, name: &str, email: &str) -> Answer {
    let body = json!({ "name": name, "email": email }).to_string();
    let request = Request::post("/api/guests")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body));
    ask(router, request).await
}

async fn ask(router: Router, request: axum::http::Result<Request<Body>>) -> Answer {
    let request = request.expect("a request");
    let Ok(response) = router.oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer {
        status: head.status,
        location: head
            .headers
            .get(header::LOCATION)
            .map(|to| to.to_str().expect("an address").to_owned()),
        body: String::from_utf8(body.into()).expect("text"),
    }
}

/// How many rows a table has.
pub(crate) async fn count(pool: &Pool, table: &'static str) -> i64 {
    let sql = match table {
        "guests" => "SELECT count(*) FROM guests",
        "entries" => "SELECT count(*) FROM entries",
        "letters" => "SELECT count(*) FROM letters",
        other => panic!("the story has no table `{other}`"),
    };
    sqlx::query_scalar(sql)
        .fetch_one(pool)
        .await
        .expect("the table is there")
}

/// The guestbook on a real port, stopped at the end of the test as in production.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
    pub(crate) live: Live,
}

#[owned_task]
impl FromSandbox for TestServer {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool = sandbox.get().await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let guestbook = Guestbook::open();
        let live = guestbook.live().clone();
        let server = tokio::spawn(guestbook.serve(listener, async { drop(stopped.await) }));
        sandbox.on_teardown(move || async move {
            drop(stop);
            Ok(server.await??)
        });
        Ok(Self {
            address,
            pool,
            live,
        })
    }
}

impl TestServer {
    /// Sends one request over TCP and reads all of the answer.
    pub(crate) async fn ask(&self, line: &str, form: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.address,
            form.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
