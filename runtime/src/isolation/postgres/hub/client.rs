//! One virtual connection: its socket, and what a server would know of it.

use super::line::{At, Line, State};
use super::mailbox::{Mail, Mailbox};
use crate::isolation::postgres::frame::{Broken, Frame, Lexer, Side, Status, to_client};
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::settings::Settings;
use crate::isolation::postgres::sql::{AtCommit, Kind, Strings};
use crate::isolation::postgres::stack::ClientId;
use bytes::{Buf as _, BytesMut};
use std::collections::{BTreeMap, HashMap};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::UnixStream;

/// The longest frame that is taken from a client: the server's own limit.
const LEXER_LIMIT: usize = (1 << 30) + 4;

/// How much of a batch is collected before the session is asked for, and how much is read ahead while it works.
const AHEAD: usize = 256 * 1024;

/// How much is asked of the socket at once.
pub(super) const READ: usize = 8 * 1024;

/// Why a client is left alone.
#[derive(Debug)]
pub(super) enum Parted {
    /// It has hung up.
    Gone,
    /// What it sends cannot be followed.
    Broken(Broken),
}

impl From<io::Error> for Parted {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// A portal, and what it is of.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    /// Whether the server does not know of it.
    pub(super) is_ours: bool,
    /// Whether it was run, if that is up to us.
    pub(super) done: bool,
    /// Counted by its connection.
    pub(super) number: u64,
    /// Whether it was made in a failed transaction.
    pub(super) when_failed: bool,
}

impl Portal {
    /// One that answers as the empty query does.
    pub(super) fn of_nothing(number: u64) -> Self {
        Self {
            prepared: Arc::new(Prepared::nothing(Kind::Empty)),
            is_ours: false,
            done: false,
            number,
            when_failed: false,
        }
    }
}

/// A virtual connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    socket: UnixStream,
    input: BytesMut,
    /// How much of the input is known to be whole frames without the end of a batch.
    scanned: usize,
    /// What it is to be sent.
    pub(super) out: BytesMut,
    lexer: Lexer,
    pub(super) status: Status,
    /// What it has set, and what it began with.
    pub(super) settings: Settings,
    pub(super) base: Settings,
    /// Its prepared statements, by its own names.
    pub(super) statements: HashMap<Box<[u8]>, Arc<Prepared>>,
    /// Its portals by their names, and what they are of.
    pub(super) portals: HashMap<Box<[u8]>, Portal>,
    /// How many of them there have been.
    pub(super) bound: u64,
    /// Its temporary tables of which something becomes at the end of transactions; what was said last counts.
    pub(super) temporaries: Vec<(Box<[u8]>, Option<AtCommit>)>,
    /// The settings that it has been told.
    pub(super) told: BTreeMap<String, String>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) line: Arc<Line>,
}

impl Client {
    pub(super) fn new(
        id: ClientId,
        socket: UnixStream,
        mailbox: Arc<Mailbox>,
        line: Arc<Line>,
    ) -> Self {
        Self {
            id,
            socket,
            input: BytesMut::new(),
            scanned: 0,
            out: BytesMut::new(),
            lexer: Lexer::new(Side::Client, LEXER_LIMIT),
            status: Status::Idle,
            settings: Settings::default(),
            base: Settings::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            bound: 0,
            temporaries: Vec::new(),
            told: BTreeMap::new(),
            mailbox,
            line,
        }
    }

    pub(super) fn into_socket(self) -> UnixStream {
        self.socket
    }

    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Whether nothing that it has sent is left to be done.
    fn has_said_all(&self) -> bool {
        self.input.is_empty()
    }

    /// Takes note that a COPY's next word is the client's.
    pub(super) fn listens(&self, at: &mut At<'_>) {
        if self.has_said_all() {
            at.becomes(State::Listening);
        } else {
            at.hears(self.input.len());
        }
    }

    /// How its strings are read.
    pub(super) fn strings(&self) -> Strings {
        match self.told.get("standard_conforming_strings").map(|v| &**v) {
            Some("off") => Strings::Escaping,
            _ => Strings::Standard,
        }
    }

    /// The next frame.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(super) async fn frame(&mut self) -> Result<Frame, Parted> {
        let line = Arc::clone(&self.line);
        poll_fn(|cx| {
            let mut at = line.at();
            let frame = self.poll_frame(cx);
            match frame {
                Poll::Ready(_) => at.becomes(State::Working),
                Poll::Pending => at.hears(self.input.len()),
            }
            frame
        })
        .await
    }

    /// The same for whoever says himself where the connection stands. It keeps nothing between polls.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Parted>> {
        loop {
            if let Some(frame) = self.take()? {
                return Poll::Ready(Ok(frame));
            }
            ready!(pin!(self.read()).poll(cx))?;
        }
    }

    /// The next frame, if it is here.
    pub(super) fn take(&mut self) -> Result<Option<Frame>, Parted> {
        let frame = self.lexer.take(&mut self.input).map_err(Parted::Broken)?;
        if let Some(frame) = &frame {
            self.scanned = self.scanned.saturating_sub(frame.view().bytes().len());
        }
        Ok(frame)
    }

    /// The tag of the next frame.
    async fn tag(&mut self) -> Result<u8, Parted> {
        loop {
            match self.lexer.size(&self.input) {
                Err(broken) => return Err(Parted::Broken(broken)),
                Ok(Some(_)) => return Ok(self.input[0]),
                Ok(None) => self.read().await?,
            }
        }
    }

    /// Waits until a batch of the extended protocol is here as a whole, so that the session is not kept waiting for it.
    pub(super) async fn gather(&mut self) -> Result<(), Parted> {
        let line = Arc::clone(&self.line);
        poll_fn(|cx| {
            let mut at = line.at();
            let gathered = self.poll_gather(cx);
            match gathered {
                Poll::Ready(_) => at.becomes(State::Working),
                Poll::Pending => at.hears(self.input.len()),
            }
            gathered
        })
        .await
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Parted>> {
        loop {
            let mut views = self.lexer.views(&self.input[self.scanned..]);
            let ended = views.any(|view| match view {
                Ok(view) => matches!(view.tag(), b'S' | b'H' | b'Q' | b'X' | b'F'),
                Err(_) => true,
            });
            self.scanned += views.read();
            if ended || self.input.len() > AHEAD {
                self.scanned = 0;
                return Poll::Ready(Ok(()));
            }
            ready!(pin!(self.read()).poll(cx))?;
        }
    }

    async fn read(&mut self) -> Result<(), Parted> {
        self.input.reserve(READ);
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) | Err(_) => Err(Parted::Gone),
            Ok(_) => Ok(()),
        }
    }

    /// Reads ahead for a while; ready when it has hung up.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < AHEAD {
            self.input.reserve(READ);
            let read = pin!(self.socket.read_buf(&mut self.input)).poll(cx);
            match read {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Waits until it says something, or there is something for it.
    pub(super) async fn idle(&mut self) -> Result<Idle, Parted> {
        let mailbox = Arc::clone(&self.mailbox);
        let line = Arc::clone(&self.line);
        let is_idle = self.status == Status::Idle;
        let rest = State::Resting {
            in_transaction: !is_idle,
        };
        poll_fn(|cx| {
            let mut at = line.at();
            let mail = mailbox.poll(cx, is_idle);
            let woken = if mail == Some(Mail::End) {
                Poll::Ready(Ok(Idle::Closed))
            } else if let Poll::Ready(tag) = pin!(self.tag()).poll(cx) {
                // It keeps nothing between polls, so that a new one is as good as the last.
                Poll::Ready(tag.map(Idle::Frame))
            } else if mail.is_some() {
                Poll::Ready(Ok(Idle::Mail))
            } else {
                Poll::Pending
            };
            match woken {
                Poll::Ready(_) => at.becomes(State::Working),
                Poll::Pending if self.has_said_all() => at.becomes(rest),
                Poll::Pending => at.hears(self.input.len()),
            }
            woken
        })
        .await
    }

    /// The next frame, in the middle of what it has begun: it has seen all answers so far.
    pub(super) async fn next(&mut self) -> Result<Frame, Parted> {
        let line = Arc::clone(&self.line);
        poll_fn(|cx| {
            let mut at = line.at();
            let frame = self.poll_frame(cx);
            match frame {
                Poll::Ready(_) => at.becomes(State::Working),
                Poll::Pending if self.has_said_all() => at.becomes(State::Listening),
                Poll::Pending => at.hears(self.input.len()),
            }
            frame
        })
        .await
    }

    /// Sends everything.
    pub(super) async fn flush(&mut self) -> Result<(), Parted> {
        let line = Arc::clone(&self.line);
        poll_fn(|cx| {
            let mut at = line.at();
            while !self.out.is_empty() {
                match Pin::new(&mut self.socket).poll_write(cx, &self.out) {
                    Poll::Ready(written) => {
                        self.out.advance(written?);
                        at.wrote();
                    }
                    Poll::Pending => {
                        at.becomes(State::Unread);
                        return Poll::Pending;
                    }
                }
            }
            at.becomes(State::Working);
            Poll::Ready(Ok::<_, Parted>(()))
        })
        .await?;
        // What one large answer took is not kept.
        if self.out.capacity() > AHEAD {
            self.out = BytesMut::new();
        }
        Ok(())
    }

    /// Sends as much as the socket takes at once.
    pub(super) fn send_now(&mut self) {
        while !self.out.is_empty() {
            match self.socket.try_write(&self.out) {
                Ok(written) => self.out.advance(written),
                Err(_) => return,
            }
            self.line.at().wrote();
        }
    }

    /// Tells it the settings that are other than it was told.
    pub(super) fn tell(&mut self, parameters: &BTreeMap<String, String>) {
        for (name, value) in parameters {
            if self.told.get(name) != Some(value) {
                to_client::parameter_status(&mut self.out, name, value);
                self.told.insert(name.clone(), value.clone());
            }
        }
    }
}

/// What an idle connection is woken by.
pub(super) enum Idle {
    /// A frame with this tag, or the beginning of one.
    Frame(u8),
    /// Notifications, which come between transactions.
    Mail,
    /// The owner ends.
    Closed,
}

/// Ready when a future is, or when the client has hung up: then with `None`.
pub(super) async fn unless_gone<T>(
    client: &mut Client,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    poll_fn(|cx| {
        if let Poll::Ready(done) = poll(cx) {
            return Poll::Ready(Some(done));
        }
        client.poll_gone(cx).map(|()| None)
    })
    .await
}
