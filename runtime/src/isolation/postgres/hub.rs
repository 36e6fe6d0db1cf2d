//! An owner's virtual server: clients connect to a socket of its own, and share the one session.

mod batch;
mod belongings;
mod blocked;
mod cancels;
mod client;
mod core;
mod graveyard;
mod greeting;
mod in_flight;
mod line;
mod mailbox;
mod serve;
mod startup;
mod turn;
mod waits;

use self::core::Core;
use super::config::Config;
use super::session::{Accepted, FINISH, Lost, Parked, Session};
use super::settings::Settings;
use super::sql::contains;
use super::stack::ClientId;
use crate::clock::Clock;
use batch::ADVICE;
use blocked::Watch;
use cancels::Cancels;
use in_flight::{Entrance, House};
use mailbox::{Mailbox, Notification};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{Notify, oneshot};
use turn::Schedule;
use waits::Waits;

/// An owner's virtual server.
#[derive(Debug)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
    listeners: Mutex<Vec<Listening>>,
    /// Whether the session was handed over already: whoever ends it again has nothing to wait for.
    handed_over: AtomicBool,
}

/// A socket that clients connect to.
#[derive(Debug)]
struct Listening {
    socket: SocketFile,
    /// Dropped, nobody is let in any more; sent, they are told why for as long as the other end of it lives.
    stop: oneshot::Sender<oneshot::Receiver<()>>,
    /// Whether other processes were told of it, which may connect at any time.
    is_told: bool,
}

/// The file of a socket, gone when this is.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

impl Listening {
    /// Lets nobody in any more. Whoever comes later from another process is told whose database it was.
    fn end(self) {
        if self.is_told {
            let (gone, until_gone) = oneshot::channel();
            if self.stop.send(until_gone).is_ok() {
                graveyard::keep_door(self.socket, gone);
            }
        }
    }
}

/// What all its connections know.
#[derive(Debug)]
struct Shared {
    /// The owner's name.
    owner: String,
    /// What clients show as their user.
    token: String,
    /// What clients are to name as their database.
    database: String,
    clock: Option<Clock>,
    cancels: Cancels,
    waits: Waits,
    process: i32,
    /// What the session's settings are at its start, and with what connections begin with: by that.
    greetings: Mutex<Accepted>,
    /// What the first connection began with.
    first: OnceLock<Settings>,
    schedule: Mutex<Schedule>,
    /// The session was given back though the owner has ended.
    returned: Notify,
    clients: Mutex<HashMap<ClientId, Arc<Mailbox>>>,
    house: House,
    next: AtomicU64,
    /// Why nobody is served any more.
    end: OnceLock<String>,
    /// What else was seen that a test should know if it fails.
    notes: Notes,
}

/// Things that stand still, or are not there, in one session; seen in the statements of a test.
#[derive(Debug, Default)]
struct Notes {
    clock: AtomicBool,
    locks: AtomicBool,
}

/// What is left of an owner's session.
#[derive(Debug)]
pub(crate) struct Left {
    /// The session, if it could be had.
    pub(crate) session: Option<Session>,
    /// What a server would have done otherwise.
    pub(crate) journal: Vec<String>,
    /// What to think of if the test has failed.
    pub(crate) hints: Vec<Cow<'static, str>>,
}

/// Who connects, and to what.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The owner's name.
    pub(crate) owner: String,
    /// What its clients show as their user.
    pub(crate) token: String,
    /// What they name as their database.
    pub(crate) database: String,
    /// How to log in where the session is.
    pub(crate) config: Config,
    /// What stands still while the session works, if the owner's clock is paused.
    pub(crate) clock: Option<Clock>,
}

impl Hub {
    /// Serves a session, which moves to the current runtime with the first client.
    ///
    /// # Panics
    ///
    /// Outside a runtime with IO.
    pub(crate) fn open(parked: Parked, who: Identity, level: Option<&str>) -> io::Result<Self> {
        let mut session = Session::resume(parked)?;
        if let Some(level) = level {
            session.set_level(level);
        }
        let Identity {
            owner,
            token,
            database,
            config,
            clock,
        } = who;
        session.set_clock(clock.clone());
        let shared = Arc::new(Shared {
            owner,
            token,
            database,
            clock,
            cancels: Cancels::of(session.canceller().clone()),
            waits: Waits::new(config),
            process: session.process(),
            greetings: Mutex::new(session.accepted.clone()),
            first: OnceLock::new(),
            schedule: Mutex::new(Schedule::new(Core::new(session))),
            returned: Notify::new(),
            clients: Mutex::default(),
            house: House::default(),
            next: AtomicU64::new(1),
            end: OnceLock::new(),
            notes: Notes::default(),
        });
        waits::watch(&shared);
        Ok(Self {
            shared,
            listeners: Mutex::default(),
            handed_over: AtomicBool::new(false),
        })
    }

    /// Takes connections at this path, on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime with IO.
    pub(crate) fn listen(&self, path: &Path) -> io::Result<()> {
        let listener = UnixListener::bind(path)?;
        let shared = Arc::clone(&self.shared);
        let watch = Watch::over(&shared.owner, &listener)?;
        let (stop, stopped) = oneshot::channel();
        // Whoever connects before it is served is at the door, too.
        let door = Entrance::of(&shared, &listener);
        drop(tokio::spawn(serve::accept(
            shared, listener, door, watch, stopped,
        )));
        let mut listeners = lock(&self.listeners);
        listeners.push(Listening {
            socket: SocketFile(path.to_owned()),
            stop,
            is_told: false,
        });
        Ok(())
    }

    /// Other processes are told of the socket at this path: they may come when it is too late.
    pub(crate) fn is_told(&self, path: &Path) {
        for listening in &mut *lock(&self.listeners) {
            listening.is_told |= listening.socket.0 == path;
        }
    }

    /// Ends it: whoever is connected is told why, and what runs is cancelled. Does not wait.
    pub(crate) fn revoke(&self, why: &str) {
        self.shared.end(why);
        self.shared.cancels.request();
    }

    /// Ends it and waits for the session, whose last statement is cancelled after a moment.
    pub(crate) async fn close(&self, why: &str, patience: Duration) -> Left {
        self.shared.end(why);
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        listeners.into_iter().for_each(Listening::end);
        let mut core = self.shared.take_for_good();
        if core.is_none() && !self.handed_over.load(Ordering::Acquire) {
            core = self.shared.wait_for_core(FINISH).await;
            if core.is_none() {
                self.shared.cancels.request();
                core = self.shared.wait_for_core(patience).await;
            }
        }
        // One that is on its way would meet the next owner's statement.
        self.shared.cancels.over().await;
        let mut hints = self.shared.notes.hints();
        hints.extend(self.shared.house.hint().map(Cow::Owned));
        match core {
            Some(core) => {
                self.handed_over.store(true, Ordering::Release);
                let mut core = *core;
                if let Some(settings) = self.shared.first.get() {
                    core.session.expect(settings);
                }
                Left {
                    session: Some(core.session).filter(|session| !session.is_lost()),
                    journal: core.journal,
                    hints,
                }
            }
            None => Left {
                session: None,
                journal: Vec::new(),
                hints,
            },
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let owner = &self.shared.owner;
        self.shared
            .end(&format!("the session of test `{owner}` has ended"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Nobody is served from here on, for this reason.
    fn end(&self, why: &str) {
        self.end.get_or_init(|| why.to_owned());
        self.close_schedule();
        for mailbox in lock(&self.clients).values() {
            mailbox.close();
        }
    }

    /// The session is of no more use.
    fn lose(&self, lost: &Lost) {
        let mut why = lost.to_string();
        let mut source = std::error::Error::source(lost);
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        let owner = &self.owner;
        self.end(&format!(
            "the session of test `{owner}` is lost, and with it everything the test wrote: {why}"
        ));
    }

    /// Waits until no request to cancel is on its way: what is sent next is not to be stopped.
    async fn cancels_over(&self) {
        if self.cancels.is_pending() {
            let _hold = self.clock.as_ref().map(Clock::hold);
            self.cancels.over().await;
        }
    }

    /// Whoever had the session was dropped with it in hand, in the middle of something.
    fn interrupted(&self) {
        let owner = &self.owner;
        let why = if std::thread::panicking() {
            "heirloom panicked, which is a bug"
        } else {
            "the runtime that it is served on has ended, which is the one that took the session"
        };
        self.end(&format!(
            "the session of test `{owner}` was left in the middle of a statement: {why}"
        ));
    }

    fn notify(&self, notification: &Notification) {
        for mailbox in lock(&self.clients).values() {
            mailbox.deliver(notification);
        }
        self.house.moved();
    }

    /// A client asks for the end of another's statement: of the one whose secret this is.
    fn cancel_of(&self, secret: &[u8]) {
        let clients = lock(&self.clients);
        let mut all = clients.iter();
        let asked = all.find(|(_, mailbox)| mailbox.secret == *secret);
        if let Some((&id, _)) = asked {
            self.cancel_turn_of(id);
        }
    }

    /// Takes note of what cannot be as it would be on a server.
    fn note(&self, query: &[u8]) {
        self.notes.look_at(query);
    }
}

impl Notes {
    fn look_at(&self, query: &[u8]) {
        let has = |word| contains(query, word);
        if has(b"now()") || has(b"current_timestamp") {
            self.clock.store(true, Ordering::Relaxed);
        }
        if has(b"skip locked") || has(b"advisory_") {
            self.locks.store(true, Ordering::Relaxed);
        }
    }

    fn hints(&self) -> Vec<Cow<'static, str>> {
        let mut hints = Vec::new();
        if self.clock.load(Ordering::Relaxed) {
            hints.push(Cow::Borrowed("it asked for `now()`, which stands still in a test: all of it is one transaction. `clock_timestamp()` goes on, and so does `now()` with #[sandboxed(isolation = \"database\")]"));
        }
        if self.locks.load(Ordering::Relaxed) {
            hints.push(Cow::Borrowed("it uses locks among its own connections, which share one session and never wait for each other in a test; with #[sandboxed(isolation = \"database\")] they do"));
        }
        hints
    }
}
