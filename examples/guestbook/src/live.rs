//! The live list: whoever has the page open is told of every entry as it is signed, over a WebSocket.

use crate::database::{Book, Pool};
use crate::entries::{self, Entries, Entry, PageOf};
use crate::error::Error;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use heirloom::{owned_task, scoped_name};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Who is to be told of new entries.
///
/// One channel in production. In tests one server may serve many of them at once, so each has a channel of its own.
#[derive(Clone, Debug, Default)]
pub struct Live {
    channels: Arc<Mutex<HashMap<Cow<'static, str>, broadcast::Sender<Entry>>>>,
    closing: CancellationToken,
}

/// What pages follow; in tests the current one has its own.
const TOPIC: &str = "entries";

/// Entries that a page has not been sent yet. One that is further behind gets the newest page of the book instead.
const WAITING: usize = 16;

/// No question is longer, in bytes.
const LONGEST_QUESTION: usize = 256;

/// For how long a page that does not read may keep a closing server.
const PATIENCE: Duration = Duration::from_secs(1);

impl Live {
    /// Tells every open page. Nobody may be there to hear it.
    pub fn tell(&self, entry: &Entry) {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&scoped_name(TOPIC)) {
            // With nobody there it is an error.
            drop(channel.send(entry.clone()));
        }
    }

    /// Every entry that is told from now on.
    fn listen(&self) -> broadcast::Receiver<Entry> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|_, channel| channel.receiver_count() > 0);
        let channel = channels
            .entry(scoped_name(TOPIC))
            .or_insert_with(|| broadcast::channel(WAITING).0);
        channel.subscribe()
    }

    /// Asks open pages to go away: the server is stopping.
    pub fn close(&self) {
        self.closing.cancel();
    }
}

/// What a page asks: `"count"`, or `{"page": 2}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Question {
    Count,
    Page(i64),
}

/// What a page is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Told {
    /// Somebody has just signed.
    Signed(Entry),
    /// A page of the book, because it was asked for or because entries were missed.
    Book(Entries),
    /// How many entries there are.
    Count(i64),
    /// Why there is no answer.
    Error(String),
}

impl Told {
    fn message(&self) -> Message {
        let text = serde_json::to_string(self).expect("text and numbers only");
        Message::Text(text.into())
    }
}

/// Upgrades to a WebSocket on which a page follows the book.
#[owned_task]
pub(crate) async fn follow(
    upgrade: WebSocketUpgrade,
    Book(pool): Book,
    State(live): State<Live>,
    State(tasks): State<TaskTracker>,
) -> Response {
    // Before the page knows that it is connected: from then on it misses nothing.
    let mut news = live.listen();
    let open = tasks.token();
    let upgrade = upgrade.max_message_size(LONGEST_QUESTION);
    upgrade.on_upgrade(move |mut socket| async move {
        let closed = tokio::select! {
            talked = talk(&mut socket, &mut news, &pool) => talked.is_err(),
            () = live.closing.cancelled() => false,
        };
        if !closed {
            say_goodbye(&mut socket).await;
        }
        drop(open);
    })
}

/// Answers questions and passes on the news, until the page is closed. An error is a page that went away without a word.
async fn talk(
    socket: &mut WebSocket,
    news: &mut broadcast::Receiver<Entry>,
    pool: &Pool,
) -> Result<(), axum::Error> {
    loop {
        let told = tokio::select! {
            asked = socket.recv() => match asked.transpose()? {
                Some(Message::Text(question)) => answer(pool, &question).await,
                Some(Message::Binary(_)) => Err(unknown_question()),
                // The socket answers these itself.
                Some(Message::Ping(_) | Message::Pong(_)) => continue,
                Some(Message::Close(_)) | None => return Ok(()),
            },
            entry = news.recv() => match entry {
                Ok(entry) => Ok(Told::Signed(entry)),
                // What was missed is in the database.
                Err(broadcast::error::RecvError::Lagged(_)) => read(pool, 1).await,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        };
        let told = told.unwrap_or_else(|error| Told::Error(error.told()));
        socket.send(told.message()).await?;
    }
}

async fn answer(pool: &Pool, question: &str) -> Result<Told, Error> {
    match serde_json::from_str(question) {
        Ok(Question::Page(page)) => read(pool, page).await,
        Ok(Question::Count) => Ok(Told::Count(entries::count(pool).await?)),
        Err(_) => Err(unknown_question()),
    }
}

async fn read(pool: &Pool, page: i64) -> Result<Told, Error> {
    let of = PageOf {
        page,
        ..PageOf::default()
    };
    Ok(Told::Book(entries::list(pool, of).await?))
}

fn unknown_question() -> Error {
    Error::Invalid(r#"ask "count" or {"page": 1}"#.to_owned())
}

/// Says that the page may come back later, if it still listens.
async fn say_goodbye(socket: &mut WebSocket) {
    let away = Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: "the guestbook is closing".into(),
    }));
    // Whether or not it was heard, the connection ends.
    drop(tokio::time::timeout(PATIENCE, socket.send(away)).await);
}
