//! What is going on on one connection, for whoever asks from outside whether anything is.
//!
//! The question is whether its client waits for the database. What a client has sent is in the socket before it is read
//! here, and an answer is in the socket until the client has read it: so whoever asks looks at the socket as well, under
//! the lock under which what is in it is taken note of. There is no moment at which a call is seen by neither.

use super::mailbox::Mailbox;
use crate::isolation::postgres::kernel;
use crate::isolation::postgres::stack::ClientId;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// For how long it counts that the next word is the client's, from when that was first seen: that it has not read an
/// answer, or not sent the rest of something. One that can go on is woken at its runtime's next look at its sockets. After
/// that it is taken for one that does not want to now, such as a stream that was read half way.
const STALLED: Duration = Duration::from_millis(200);

/// From here on a rest in a transaction is worth mentioning.
const LONG: Duration = Duration::from_secs(1);

/// How much of a statement is remembered, in bytes.
const REMEMBERED: usize = 160;

/// One connection, from the moment it is accepted.
#[derive(Debug)]
pub(super) struct Line {
    /// Once more, to look at. Not there where no files are left to open.
    socket: Option<OwnedFd>,
    /// Once it is let in.
    client: OnceLock<(ClientId, Arc<Mailbox>)>,
    moves: Arc<Moves>,
    inner: Mutex<Inner>,
}

/// A look at it, until this is dropped.
pub(super) struct At<'a> {
    inner: MutexGuard<'a, Inner>,
    moves: &'a Moves,
}

#[derive(Debug)]
struct Inner {
    state: State,
    since: Instant,
    /// What it runs, or ran last.
    statement: Vec<u8>,
    /// Counts what was written to it.
    written: u64,
    /// How much it has sent of what is not complete.
    heard: usize,
    /// How far it had come when somebody found it waiting for its client, by these two; and since when.
    stalled: Option<((u64, usize), Instant)>,
    /// The longest rest in a transaction: how long, and after which statement.
    longest: Option<(Duration, String)>,
}

impl Inner {
    /// Whether it is likely that a connection's client goes on at once, that has the next word.
    fn is_alive(&mut self) -> bool {
        let progress = (self.written, self.heard);
        match self.stalled {
            Some((before, since)) if before == progress => since.elapsed() < STALLED,
            _ => {
                self.stalled = Some((progress, Instant::now()));
                true
            }
        }
    }

    fn note_rest(&mut self) {
        let rested = self.since.elapsed();
        let longest = self.longest.as_ref().map_or(LONG, |(longest, _)| *longest);
        if rested > longest {
            let statement = String::from_utf8_lossy(&self.statement);
            self.longest = Some((rested, statement.into_owned()));
        }
    }
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being let in.
    Opening,
    /// It has begun to say something.
    Hearing,
    /// Something it has sent is being done.
    Working,
    /// It has not said what comes next; inside of a transaction it is not told of notifications.
    Resting { in_transaction: bool },
    /// The next word in what it has begun is the client's: data for a COPY, or more of a pipeline that it has seen the
    /// answers of.
    Listening,
    /// It does not read what it is told.
    Unread,
}

/// Counts what happens in a session, so that whoever looks at one connection after the other knows whether anything has
/// moved meanwhile.
#[derive(Debug, Default)]
pub(super) struct Moves(AtomicU64);

impl Moves {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Line {
    pub(super) fn of(socket: &impl AsFd, moves: &Arc<Moves>) -> Self {
        Self {
            socket: socket.as_fd().try_clone_to_owned().ok(),
            client: OnceLock::new(),
            moves: Arc::clone(moves),
            inner: Mutex::new(Inner {
                state: State::Opening,
                since: Instant::now(),
                statement: Vec::new(),
                written: 0,
                heard: 0,
                stalled: None,
                longest: None,
            }),
        }
    }

    /// Its socket, for a look at it.
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref()
    }

    /// It is let in as this client.
    pub(super) fn is(&self, client: ClientId, mailbox: &Arc<Mailbox>) {
        self.client.get_or_init(|| (client, Arc::clone(mailbox)));
    }

    pub(super) fn client(&self) -> Option<ClientId> {
        self.client.get().map(|(client, _)| *client)
    }

    /// What it does, and nobody looks at it or changes it meanwhile.
    pub(super) fn at(&self) -> At<'_> {
        At {
            inner: self.inner(),
            moves: &self.moves,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of the statement that is being done.
    pub(super) fn runs(&self, statement: &[u8]) {
        let statement = statement.trim_ascii_start();
        let most = statement.len().min(REMEMBERED);
        let mut inner = self.inner();
        inner.statement.clear();
        inner.statement.extend_from_slice(&statement[..most]);
    }

    /// What is under way; `None` if its client waits for nothing.
    pub(super) fn call(&self) -> Option<Call> {
        let mut inner = self.inner();
        let what = self.doing(&mut inner)?;
        Some(Call {
            client: self.client(),
            what,
            statement: String::from_utf8_lossy(&inner.statement).into_owned(),
            lasts: inner.since.elapsed(),
        })
    }

    /// What it is at rest in, if it is.
    pub(super) fn rest(&self) -> Option<Rest> {
        let inner = self.inner();
        let State::Resting { in_transaction } = inner.state else {
            return None;
        };
        Some(Rest {
            client: self.client()?,
            in_transaction,
            statement: String::from_utf8_lossy(&inner.statement).into_owned(),
            lasts: inner.since.elapsed(),
        })
    }

    /// Its longest rest in a transaction, if any was long.
    pub(super) fn longest_rest(&self) -> Option<Rest> {
        let mut inner = self.inner();
        if matches!(
            inner.state,
            State::Resting {
                in_transaction: true
            }
        ) {
            inner.note_rest();
        }
        let (lasts, statement) = inner.longest.clone()?;
        Some(Rest {
            client: self.client()?,
            in_transaction: true,
            statement,
            lasts,
        })
    }

    fn doing(&self, inner: &mut Inner) -> Option<What> {
        let what = match inner.state {
            State::Opening if self.client.get().is_some() => return Some(What::Opening),
            State::Working => return Some(What::Running),
            State::Opening => What::Opening,
            State::Hearing => What::Asking,
            State::Resting { .. } | State::Listening | State::Unread => What::Answered,
        };
        // The answer first: a client that reads it and goes on is seen by what it sends then.
        let waits = what != What::Answered || self.socket().is_some_and(kernel::is_unread);
        if !waits {
            inner.stalled = None;
        } else if inner.state == State::Unread || !self.is_asked() {
            return inner.is_alive().then_some(what);
        }
        if self.is_asked() {
            return Some(What::Asking);
        }
        let is_told = inner.state
            == State::Resting {
                in_transaction: false,
            };
        let mail = self.client.get().is_some_and(|(_, mail)| mail.is_waiting());
        (is_told && mail).then_some(What::Answered)
    }

    /// Whether something is there that it was not looked at yet.
    fn is_asked(&self) -> bool {
        self.socket().is_some_and(kernel::is_readable)
    }
}

impl At<'_> {
    /// Whatever it does from here on.
    pub(super) fn becomes(&mut self, state: State) {
        let inner = &mut *self.inner;
        let before = std::mem::replace(&mut inner.state, state);
        if before == state {
            return;
        }
        if matches!(state, State::Working | State::Hearing) {
            self.moves.count();
        }
        if let State::Resting { in_transaction } = before {
            if in_transaction {
                inner.note_rest();
            }
            inner.statement.clear();
        }
        let goes_on = [before, state]
            .iter()
            .any(|state| matches!(state, State::Unread | State::Hearing));
        if !goes_on || matches!(before, State::Resting { .. }) {
            inner.since = Instant::now();
        }
    }

    /// So much of what it says is here.
    pub(super) fn hears(&mut self, length: usize) {
        self.becomes(State::Hearing);
        self.inner.heard = length;
    }

    pub(super) fn wrote(&mut self) {
        self.inner.written += 1;
    }
}

/// A connection that waits for its client.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) client: ClientId,
    pub(super) in_transaction: bool,
    /// What it ran last, its beginning.
    pub(super) statement: String,
    pub(super) lasts: Duration,
}

/// Something that a client waits for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) client: Option<ClientId>,
    pub(super) what: What,
    /// Its beginning, as far as it is known.
    pub(super) statement: String,
    pub(super) lasts: Duration,
}

impl Call {
    /// One of which no more is known.
    pub(super) fn of(what: What) -> Self {
        Self {
            client: None,
            what,
            statement: String::new(),
            lasts: Duration::ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Opening,
    /// It was sent, and nobody has looked at it yet.
    Asking,
    Running,
    /// It is done, and the client has yet to read that.
    Answered,
}
