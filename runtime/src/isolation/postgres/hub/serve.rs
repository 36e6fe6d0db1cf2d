//! One connection from its beginning to its end.

use super::batch::{Batch, Ended};
use super::blocked::Watch;
use super::client::{Client, Idle, Parted, READ};
use super::greeting::{ENDED, fatal};
use super::in_flight::{Entrance, Guest};
use super::mailbox::Mailbox;
use super::startup::{Welcome, introduction, welcome};
use super::turn::Grace;
use super::{Shared, lock};
use crate::isolation::postgres::frame::{Client as Said, Frame, Status, to_client};
use crate::isolation::postgres::session::Lost;
use crate::isolation::postgres::stack::ClientId;
use bytes::BytesMut;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// After an error of the listener, such as too many open files: something else may free one.
const AGAIN: Duration = Duration::from_millis(10);

/// How long connections have to say goodbye when there is no server any more. Longer than a statement takes to be
/// cancelled; who is still there then waits for something that its client does not say, or does not read.
const GOODBYE: Duration = Duration::from_millis(500);

/// Takes connections until it is stopped, and serves them until the owner has ended.
pub(super) async fn accept(
    shared: Arc<Shared>,
    listener: UnixListener,
    door: Entrance,
    watch: Option<Arc<Watch>>,
    mut stopped: oneshot::Receiver<oneshot::Receiver<()>>,
) {
    let mut connections = JoinSet::new();
    let stays = loop {
        let accepted = poll_fn(|cx| match Pin::new(&mut stopped).poll(cx) {
            Poll::Ready(stays) => Poll::Ready(Err(stays.ok())),
            Poll::Pending => door.poll_accept(cx, &listener).map(Ok),
        });
        match accepted.await {
            Err(stays) => break stays,
            Ok(Ok((socket, guest))) => {
                let watch = watch.clone();
                connections.spawn(connection(Arc::clone(&shared), socket, guest, watch));
            }
            Ok(Err(_)) => tokio::time::sleep(AGAIN).await,
        }
        while connections.try_join_next().is_some() {}
    };
    drop((door, watch));
    if let Some(until) = stays {
        drop(tokio::spawn(refuse(shared, listener, until)));
    }
    let all = async { while connections.join_next().await.is_some() {} };
    // Those who do not come to an end are dropped with the set.
    timeout(GOODBYE, all).await.ok();
}

/// Tells whoever comes after the end whose database it was, until nobody is to be told any more.
async fn refuse(shared: Arc<Shared>, listener: UnixListener, mut until: oneshot::Receiver<()>) {
    loop {
        let accepted = poll_fn(|cx| match Pin::new(&mut until).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(cx).map(Some),
        });
        match accepted.await {
            None => return,
            Some(Ok((mut socket, _))) => {
                let mut input = BytesMut::with_capacity(READ);
                let said = introduction(&shared, &mut socket, &mut input);
                if let Ok(Some(Err(refused))) = timeout(GOODBYE, said).await {
                    socket.try_write(&refused).ok();
                    super::graveyard::keep(socket);
                }
            }
            Some(Err(_)) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn connection(
    shared: Arc<Shared>,
    mut socket: UnixStream,
    guest: Guest,
    watch: Option<Arc<Watch>>,
) {
    let mut input = BytesMut::with_capacity(READ);
    match introduction(&shared, &mut socket, &mut input).await {
        None => {}
        Some(Err(refused)) => {
            // A client that does not read is not waited for.
            socket.try_write(&refused).ok();
            super::graveyard::keep(socket);
        }
        Some(Ok(introduction)) => {
            let presence = Presence::of(&shared);
            let mailbox = Arc::clone(&presence.mailbox);
            let _watched = watch.map(|watch| watch.client(presence.id, &guest.line));
            guest.line.is(presence.id, &mailbox);
            let line = Arc::clone(&guest.line);
            let mut client = Client::new(presence.id, socket, mailbox, line);
            client.input().unsplit(input);
            let served = match welcome(&shared, &mut client, introduction).await {
                Ok(()) => serve(&shared, &mut client).await,
                Err(Welcome::Ended) => Left::Ended,
                Err(Welcome::Refused(refused)) => {
                    client.out = refused;
                    Left::Gone
                }
                Err(Welcome::Lost(lost)) => {
                    shared.lose(&lost);
                    Left::Ended
                }
            };
            depart(&shared, client, served);
        }
    }
}

/// A client that is counted, until this is dropped.
struct Presence {
    shared: Arc<Shared>,
    id: ClientId,
    mailbox: Arc<Mailbox>,
}

impl Presence {
    fn of(shared: &Arc<Shared>) -> Self {
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let mut secret = [0; 4];
        getrandom::fill(&mut secret).expect("the operating system hands out random bytes");
        let mailbox = Arc::new(Mailbox::new(secret));
        lock(&shared.clients).insert(id, Arc::clone(&mailbox));
        if shared.end.get().is_some() {
            mailbox.close();
        }
        Self {
            shared: Arc::clone(shared),
            id,
            mailbox,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        lock(&self.shared.clients).remove(&self.id);
        self.shared.has_left(self.id);
    }
}

/// How a connection ended.
enum Left {
    /// By the client.
    Gone,
    /// By what it sent.
    Broken(String),
    /// By the owner's end.
    Ended,
}

async fn serve(shared: &Arc<Shared>, client: &mut Client) -> Left {
    loop {
        if client.flush().await.is_err() {
            return Left::Gone;
        }
        let said = match client.idle().await {
            Ok(Idle::Frame(tag)) => said(shared, client, tag).await,
            Ok(Idle::Mail) => {
                mail(shared, client);
                Ok(())
            }
            Ok(Idle::Closed) => return Left::Ended,
            Err(parted) => Err(Stop::Parted(parted)),
        };
        match said {
            Ok(()) => {}
            Err(Stop::Parted(Parted::Gone)) => return Left::Gone,
            Err(Stop::Parted(Parted::Broken(broken))) => return Left::Broken(broken.to_string()),
            Err(Stop::Closed) => return Left::Ended,
            Err(Stop::Lost(lost)) => {
                shared.lose(&lost);
                return Left::Ended;
            }
        }
    }
}

/// Why a connection ends.
enum Stop {
    Parted(Parted),
    Closed,
    Lost(Lost),
}

impl From<Parted> for Stop {
    fn from(parted: Parted) -> Self {
        Self::Parted(parted)
    }
}

impl From<Lost> for Stop {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<super::turn::Closed> for Stop {
    fn from(_: super::turn::Closed) -> Self {
        Self::Closed
    }
}

/// Does what a client's next frame begins.
async fn said(shared: &Arc<Shared>, client: &mut Client, tag: u8) -> Result<(), Stop> {
    match tag {
        b'Q' | b'F' => {
            let frame = client.frame().await?;
            alone(shared, client, &frame).await
        }
        b'X' => Err(Stop::Parted(Parted::Gone)),
        // Of a COPY that has failed; the server leaves them out as well.
        b'd' | b'c' | b'f' => {
            client.frame().await?;
            Ok(())
        }
        b'S' => {
            client.frame().await?;
            to_client::ready_for_query(&mut client.out, client.status);
            Ok(())
        }
        b'p' => {
            let broken = "a password that nobody has asked for";
            fatal(&mut client.out, "08P01", broken, None);
            Err(Stop::Parted(Parted::Gone))
        }
        _ => {
            client.gather().await?;
            let mut turn = shared.turn(client.id, Grace::Statement).await?;
            let ended = Batch::new(shared, &mut turn, client).frames().await;
            turn.end();
            match ended? {
                Ended::Synced => Ok(()),
                Ended::Parted(parted) => Err(parted.into()),
            }
        }
    }
}

/// A frame that stands for itself.
async fn alone(shared: &Arc<Shared>, client: &mut Client, frame: &Frame) -> Result<(), Stop> {
    match Said::read(frame.view()) {
        Ok(Said::Query { sql }) => {
            client.line.runs(sql);
            let mut turn = shared.turn(client.id, grace(sql)).await?;
            shared.note(sql);
            let done = Batch::new(shared, &mut turn, client).query(sql).await;
            turn.end();
            done?;
        }
        Ok(Said::FunctionCall { .. }) => {
            let mut turn = shared.turn(client.id, Grace::Statement).await?;
            let mut batch = Batch::new(shared, &mut turn, client);
            let done = batch.call(frame.view().bytes()).await;
            turn.end();
            done?;
        }
        Ok(_) | Err(_) => {
            let broken = "invalid message format";
            fatal(&mut client.out, "08P01", broken, None);
            return Err(Stop::Parted(Parted::Gone));
        }
    }
    Ok(())
}

/// A transaction within another's waits a little longer than a statement, as it takes the session for longer.
fn grace(sql: &[u8]) -> Grace {
    let sql = sql.trim_ascii_start();
    let starts = |word: &[u8]| {
        sql.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if starts(b"begin") || starts(b"start") {
        Grace::Transaction
    } else {
        Grace::Statement
    }
}

fn mail(shared: &Shared, client: &mut Client) {
    for (channel, payload) in client.mailbox.take() {
        to_client::notification_response(&mut client.out, shared.process, &channel, &payload);
    }
}

/// Says goodbye. What the client has open is rolled back by whoever's turn is next.
fn depart(shared: &Arc<Shared>, mut client: Client, left: Left) {
    let is_gone = matches!(left, Left::Gone);
    match left {
        Left::Gone => {}
        Left::Broken(broken) => fatal(&mut client.out, "08P01", &broken, None),
        Left::Ended => fatal(&mut client.out, ENDED, &shared.why(), None),
    }
    client.status = Status::Idle;
    // Only what the socket takes: a client that does not read is not waited for.
    client.send_now();
    if !is_gone {
        super::graveyard::keep(client.into_socket());
    }
}
