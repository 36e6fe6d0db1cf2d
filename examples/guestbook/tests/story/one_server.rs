//! One server for all tests, as it would be in production: who asks says in the user agent whose request it is.

use crate::support::TestResult;
use futures_util::{SinkExt as _, StreamExt as _};
use guestbook::Guestbook;
use heirloom::{BoxError, FromSandbox, Owner, Sandbox, sandboxed};
use rstest::rstest;
use serde_json::{Value, json};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Started by whichever test comes first, on a runtime of its own; it belongs to none.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let (started, address) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("it is bound");
            started.send(address).expect("somebody waits for it");
            let served = Guestbook::open().serve(listener, pending()).await;
            served.expect("it is never stopped");
        });
    });
    address.recv().expect("it starts")
});

/// A client that belongs to one test.
struct Client {
    agent: String,
    email: String,
}

impl FromSandbox for Client {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(Self::of(sandbox.owner()))
    }
}

impl Client {
    fn of(owner: &Owner) -> Self {
        Self {
            agent: owner.user_agent("guestbook-tests/1.0"),
            // No other test's, or on PostgreSQL they wait for each other.
            email: format!("{}@example.org", owner.scoped_name("ada")),
        }
    }

    /// The status and the whole answer.
    async fn ask(&self, line: &str, body: &Value) -> Result<(u16, String), BoxError> {
        let body = body.to_string();
        let mut stream = TcpStream::connect(*SERVER).await?;
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.agent,
            body.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.get(9..12).unwrap_or_default().parse()?;
        Ok((status, answer))
    }

    async fn sign_up(&self) -> TestResult {
        let ada = json!({ "name": "Ada", "email": self.email });
        let (status, answer) = self.ask("POST /api/guests", &ada).await?;
        assert_eq!(status, 201, "{answer}");
        Ok(())
    }

    async fn sign(&self, text: &str) -> TestResult {
        let entry = json!({ "email": self.email, "text": text });
        let (status, answer) = self.ask("POST /api/entries", &entry).await?;
        assert_eq!(status, 201, "{answer}");
        Ok(())
    }

    async fn follow(&self) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, BoxError> {
        let mut request = format!("ws://{}/live", *SERVER).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("user-agent", self.agent.parse()?);
        Ok(connect_async(request).await?.0)
    }
}

#[sandboxed]
#[rstest]
async fn every_test_follows_its_own_book(
    #[values(1, 2, 3, 4, 5, 6, 7, 8)] entries: usize,
    client: Client,
    sandbox: Sandbox,
) -> TestResult {
    let mut page = client.follow().await?;
    client.sign_up().await?;
    for n in 1..=entries {
        let text = format!("{n} of {entries}");
        client.sign(&text).await?;
        let told = page.next().await.ok_or("the connection has ended")??;
        let told: Value = serde_json::from_str(told.to_text()?)?;
        assert_eq!(
            told["signed"]["text"], text,
            "and nothing of other tests before it"
        );
    }
    // What is asked over the socket is answered from this test's database, too.
    page.send(Message::text(r#""count""#)).await?;
    let told = page.next().await.ok_or("the connection has ended")??;
    assert_eq!(told.to_text()?, json!({ "count": entries }).to_string());

    sandbox.settle().await?;
    let (_, answer) = client.ask("GET /api/statistics", &Value::Null).await?;
    let counted = format!(r#"{{"guests":1,"entries":{entries}}}"#);
    assert!(answer.ends_with(&counted), "{answer}");
    Ok(())
}

#[sandboxed]
async fn the_pages_of_an_owner_that_ends_end_with_it_and_no_others(client: Client) -> TestResult {
    let owner = Owner::start("a short visit").repo(&guestbook::REPO).await?;
    let visitor = Client::of(&owner);
    let (mut ours, mut theirs) = (client.follow().await?, visitor.follow().await?);
    // Answered, so it is followed by now.
    theirs.send(Message::text(r#""count""#)).await?;
    theirs.next().await.ok_or("the connection has ended")??;
    owner.stop().await?;
    let last = theirs.next().await;
    assert!(!matches!(last, Some(Ok(Message::Text(_)))), "{last:?}");
    let (status, answer) = visitor.ask("GET /api/entries", &Value::Null).await?;
    assert_eq!(status, 410, "{answer}");
    assert!(answer.contains("a short visit"), "{answer}");
    assert!(visitor.follow().await.is_err());

    client.sign_up().await?;
    client.sign("Still here").await?;
    let told = ours.next().await.ok_or("the connection has ended")??;
    assert!(told.to_text()?.contains("Still here"), "{told}");
    Ok(())
}

/// An upgrade is answered before the WebSocket's work begins, and the owner may end in between.
#[sandboxed]
async fn a_page_whose_owner_ends_at_once_ends_too(_client: Client) -> TestResult {
    for _ in 0..20 {
        let owner = Owner::start("gone at once").repo(&guestbook::REPO).await?;
        let mut page = Client::of(&owner).follow().await?;
        owner.stop().await?;
        let last = tokio::time::timeout(Duration::from_secs(10), page.next()).await?;
        assert!(!matches!(last, Some(Ok(Message::Text(_)))), "{last:?}");
    }
    Ok(())
}
