//! The live list: a page with an open WebSocket is told of what is signed, and asks.

use crate::support::{TestResult, TestServer};
use futures_util::{SinkExt as _, StreamExt as _};
use guestbook::{NewEntry, sign};
use heirloom::{BoxError, Sandbox, sandboxed};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An open page, of which there is only the socket.
struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Page {
    async fn open(server: &TestServer) -> Result<Self, BoxError> {
        let (socket, _) = connect_async(format!("ws://{}/live", server.address)).await?;
        Ok(Self(socket))
    }

    async fn ask(&mut self, question: &str) -> Result<Value, BoxError> {
        self.0.send(Message::text(question)).await?;
        self.hear().await
    }

    /// The next that it is told.
    async fn hear(&mut self) -> Result<Value, BoxError> {
        let message = self.message().await?;
        Ok(serde_json::from_str(message.to_text()?)?)
    }

    /// What does not come fails the test; nothing is waited out.
    async fn message(&mut self) -> Result<Message, BoxError> {
        let next = timeout(Duration::from_secs(10), self.0.next()).await?;
        Ok(next.ok_or("the connection has ended")??)
    }
}

fn form(text: &str) -> String {
    format!("email=ada%40example.org&text={text}")
}

fn texts(book: &Value) -> Vec<&str> {
    let entries = book["book"]["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["text"].as_str()).collect()
}

#[sandboxed(fixtures("guests"))]
async fn an_open_page_is_told_of_every_entry_however_it_was_signed(
    server: TestServer,
) -> TestResult {
    let (mut one, mut other) = (Page::open(&server).await?, Page::open(&server).await?);
    server.ask("POST /sign", &form("By%20form")).await?;
    for page in [&mut one, &mut other] {
        let told = page.hear().await?;
        let entry = &told["signed"];
        assert_eq!(
            (&entry["name"], &entry["text"]),
            (&json!("Ada"), &json!("By form"))
        );
        assert!(!told.to_string().contains('@'), "e-mails are shown: {told}");
    }
    server.ask("POST /sign", &form("Again")).await?;
    assert_eq!(one.hear().await?["signed"]["text"], "Again");
    Ok(())
}

#[sandboxed(fixtures("guests"))]
async fn a_refused_entry_is_told_to_nobody(server: TestServer) -> TestResult {
    let mut page = Page::open(&server).await?;
    server.ask("POST /sign", &form("")).await?;
    server.ask("POST /sign", &form("Good")).await?;
    assert_eq!(page.hear().await?["signed"]["text"], "Good");
    Ok(())
}

#[sandboxed(fixtures("guests", "entries", "more_entries"))]
async fn a_page_asks_and_is_answered_from_this_tests_database(server: TestServer) -> TestResult {
    let mut page = Page::open(&server).await?;
    assert_eq!(page.ask(r#""count""#).await?, json!({ "count": 11 }));
    let second = page.ask(r#"{"page": 2}"#).await?;
    assert_eq!(texts(&second), ["entry 1"]);
    assert_eq!(
        (&second["book"]["pages"], &second["book"]["total"]),
        (&json!(2), &json!(11))
    );
    Ok(())
}

#[sandboxed]
async fn who_asks_nonsense_is_told_what_to_ask_and_stays_connected(
    server: TestServer,
) -> TestResult {
    let mut page = Page::open(&server).await?;
    for nonsense in [
        "",
        "count",
        "{}",
        r#"{"page": "two"}"#,
        r#"{"page": 1, "x": 1}"#,
    ] {
        let told = page.ask(nonsense).await?;
        assert_eq!(
            told,
            json!({ "error": r#"ask "count" or {"page": 1}"# }),
            "{nonsense}"
        );
    }
    let told = page.ask(r#"{"page": 0}"#).await?;
    assert_eq!(told, json!({ "error": "page is a number from 1 on" }));
    assert_eq!(page.ask(r#""count""#).await?, json!({ "count": 0 }));
    Ok(())
}

#[sandboxed]
async fn a_question_without_end_ends_the_connection(server: TestServer) -> TestResult {
    let mut page = Page::open(&server).await?;
    let told = page.ask(&"a".repeat(10_000)).await;
    assert!(told.is_err(), "{told:?}");
    let mut other = Page::open(&server).await?;
    assert_eq!(other.ask(r#""count""#).await?, json!({ "count": 0 }));
    Ok(())
}

/// One thread, and nobody lets the page's task run meanwhile: it is far behind for certain.
#[sandboxed(fixtures("guests"))]
async fn a_page_that_is_far_behind_gets_the_newest_entries_from_the_database(
    server: TestServer,
    sandbox: Sandbox,
) -> TestResult {
    let mut page = Page::open(&server).await?;
    sandbox.settle().await?;
    let mut signed = Vec::new();
    for n in 1..=30 {
        let new = NewEntry {
            email: "ada@example.org".into(),
            text: format!("entry {n}"),
        };
        signed.push(sign(&server.pool, &new).await?);
    }
    for entry in &signed {
        server.live.tell(entry);
    }

    let newest = page.hear().await?;
    let expected: Vec<_> = (21..=30).rev().map(|n| format!("entry {n}")).collect();
    assert_eq!(texts(&newest), expected);
    assert_eq!(newest["book"]["total"], 30);
    // Then it goes on with those that still waited.
    assert_eq!(page.hear().await?["signed"]["text"], "entry 15");
    Ok(())
}

#[sandboxed]
async fn a_closing_guestbook_tells_open_pages_to_come_back_later(server: TestServer) -> TestResult {
    let mut page = Page::open(&server).await?;
    server.live.close();
    let Message::Close(Some(CloseFrame { code, reason })) = page.message().await? else {
        panic!("it is told something else");
    };
    assert_eq!(
        (code, reason.as_str()),
        (CloseCode::Away, "the guestbook is closing")
    );
    Ok(())
}

/// A test settles with pages open: one to which nobody writes waits.
#[sandboxed(flavor = "multi_thread", worker_threads = 2, fixtures("guests"))]
async fn pages_that_come_and_go_leave_the_test_in_order(
    server: TestServer,
    sandbox: Sandbox,
) -> TestResult {
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Page::open(&server).await?);
    }
    open.truncate(4); // the others go away without a word
    server.ask("POST /sign", &form("Hello")).await?;
    sandbox.settle().await?;
    let mut page = Page::open(&server).await?;
    assert_eq!(page.ask(r#""count""#).await?, json!({ "count": 1 }));
    Ok(())
}
