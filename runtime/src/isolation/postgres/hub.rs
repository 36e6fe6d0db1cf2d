//! An owner's virtual server: clients connect to a socket of its own, and share the one session.

mod batch;
mod belongings;
mod client;
mod core;
mod graveyard;
mod greeting;
mod mailbox;
mod serve;
mod startup;
mod turn;

use self::core::Core;
use super::background;
use super::session::{Lost, Parked, Session};
use super::settings::Settings;
use super::stack::ClientId;
use super::upstream::Canceller;
use batch::ADVICE;
use mailbox::{Mailbox, Notification};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use turn::Schedule;

/// How long a statement may run on when its test has ended, before it is cancelled.
const FINISH: Duration = Duration::from_millis(50);

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
    path: PathBuf,
    task: AbortHandle,
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
    canceller: Canceller,
    process: i32,
    /// What the session's settings are at its start, and with what connections begin with: by that.
    greetings: Mutex<HashMap<Vec<u8>, Arc<BTreeMap<String, String>>>>,
    /// What the first connection began with.
    first: OnceLock<Settings>,
    schedule: Mutex<Schedule>,
    /// The session was given back though the owner has ended.
    returned: Notify,
    clients: Mutex<HashMap<ClientId, Arc<Mailbox>>>,
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
    pub(crate) hints: Vec<&'static str>,
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
        } = who;
        let shared = Arc::new(Shared {
            owner,
            token,
            database,
            canceller: session.canceller().clone(),
            process: session.process(),
            greetings: Mutex::new(session.accepted.clone()),
            first: OnceLock::new(),
            schedule: Mutex::new(Schedule::new(Core::new(session))),
            returned: Notify::new(),
            clients: Mutex::default(),
            next: AtomicU64::new(1),
            end: OnceLock::new(),
            notes: Notes::default(),
        });
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
        let task = tokio::spawn(serve::accept(shared, listener)).abort_handle();
        let mut listeners = lock(&self.listeners);
        listeners.push(Listening {
            path: path.to_owned(),
            task,
        });
        Ok(())
    }

    /// Ends it: whoever is connected is told why, and what runs is cancelled. Does not wait.
    pub(crate) fn revoke(&self, why: &str) {
        self.shared.end(why);
        // The session may be the next owner's by the time a request to cancel gets to the server.
        if self.shared.is_somebodys_turn() {
            self.shared.cancel();
        }
    }

    /// Ends it and waits for the session, whose last statement is cancelled after a moment.
    pub(crate) async fn close(&self, why: &str, patience: Duration) -> Left {
        self.shared.end(why);
        for listening in lock(&self.listeners).drain(..) {
            listening.task.abort();
            std::fs::remove_file(&listening.path).ok();
        }
        let mut core = self.shared.take_for_good();
        if core.is_none() && !self.handed_over.load(Ordering::Acquire) {
            core = self.shared.wait_for_core(FINISH).await;
            if core.is_none() {
                self.shared.cancel();
                core = self.shared.wait_for_core(patience).await;
            }
        }
        let hints = self.shared.notes.hints();
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

    /// How many clients are connected.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.clients).len()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for listening in lock(&self.listeners).drain(..) {
            listening.task.abort();
            std::fs::remove_file(&listening.path).ok();
        }
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

    /// Stops what the session is doing, if it is doing anything.
    fn cancel(&self) {
        let canceller = self.canceller.clone();
        background::spawn(async move {
            // Nothing can be done about it, and whoever waits for the statement goes on waiting.
            canceller.cancel().await.ok();
        });
    }

    fn notify(&self, notification: &Notification) {
        for mailbox in lock(&self.clients).values() {
            mailbox.deliver(notification);
        }
    }

    /// A client asks for the end of another's statement: of the one whose secret this is.
    fn cancel_of(&self, secret: &[u8]) {
        let clients = lock(&self.clients);
        let mut all = clients.iter();
        let asked = all.find(|(_, mailbox)| mailbox.secret == *secret);
        if let Some((&id, _)) = asked
            && self.is_turn_of(id)
        {
            self.cancel();
        }
    }

    /// Takes note of what cannot be as it would be on a server.
    fn note(&self, query: &[u8]) {
        self.notes.look_at(query);
    }

    /// Who else may hold the lock that a statement has waited for in vain.
    #[allow(
        clippy::unused_self,
        reason = "who holds it is told by the hub's owner"
    )]
    fn lock_advice(&self) -> Option<String> {
        None
    }
}

impl Notes {
    fn look_at(&self, query: &[u8]) {
        let has = |word: &[u8]| {
            let mut windows = query.windows(word.len());
            windows.any(|window| window.eq_ignore_ascii_case(word))
        };
        if has(b"now()") || has(b"current_timestamp") {
            self.clock.store(true, Ordering::Relaxed);
        }
        if has(b"skip locked") || has(b"advisory_") {
            self.locks.store(true, Ordering::Relaxed);
        }
    }

    fn hints(&self) -> Vec<&'static str> {
        let mut hints = Vec::new();
        if self.clock.load(Ordering::Relaxed) {
            hints.push("it asked for `now()`, which stands still in a test: all of it is one transaction. `clock_timestamp()` goes on, and so does `now()` with #[sandboxed(isolation = \"database\")]");
        }
        if self.locks.load(Ordering::Relaxed) {
            hints.push("it uses locks among its own connections, which share one session and never wait for each other in a test; with #[sandboxed(isolation = \"database\")] they do");
        }
        hints
    }
}
