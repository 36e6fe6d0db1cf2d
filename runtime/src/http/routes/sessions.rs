//! The sessions that were handed out over HTTP: so many at most, and none for longer than somebody uses it.

use super::wish::Wish;
use crate::alarm::{self, Due};
use crate::error::{Asker, Error, Place};
use crate::owner::{Owner, OwnerId};
use crate::repo::{StartOwner, StartedOwner};
use crate::task::Tracker;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a database may take to give a session. From how long browsers' test runners wait for a step.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked, at most, whether a request is still being answered.
const OFTEN: Duration = Duration::from_millis(10);

/// Adds a repo to those that a session is opened on.
pub(super) type AddRepo = Box<dyn Fn(StartOwner) -> StartOwner + Send + Sync>;

/// What holds for every session, unless its client wishes otherwise.
pub(super) struct Rules {
    /// Where that is written.
    pub(super) at: Place,
    pub(super) repos: Vec<(&'static str, AddRepo)>,
    pub(super) timeout: Duration,
    /// Whether the time begins anew with each use.
    pub(super) sliding: bool,
    /// How many there may be.
    pub(super) limit: usize,
}

/// All of them. Dropped, they end.
pub(super) struct Sessions {
    pub(super) rules: Rules,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    sessions: HashMap<OwnerId, Arc<Session>>,
    /// How many are being opened.
    opening: usize,
}

/// One of them.
pub(super) struct Session {
    pub(super) owner: Owner,
    pub(super) timeout: Duration,
    pub(super) sliding: bool,
    /// Until somebody ends it: whoever comes first.
    started: Mutex<Option<StartedOwner>>,
    since: Instant,
    of: Weak<Sessions>,
    /// Where its end is waited for when its time is up.
    runtime: Handle,
}

/// Why there is no new one.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There are as many as there may be.
    Full { limit: usize },
    /// The database gave none in time; so many are open.
    Late { waited: Duration, open: usize },
    /// The database gave none.
    Failed(Error),
}

impl Sessions {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            open: Mutex::default(),
        }
    }

    /// Opens one, on every repo or on none.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is left.
    pub(super) async fn open(self: &Arc<Self>, wish: Wish) -> Result<Arc<Session>, Refusal> {
        let place = self.reserve()?;
        let name = wish.name.unwrap_or_else(numbered);
        // It ends as a whole, when its own time is up.
        let start = Owner::start_at(name, self.rules.at).ownership_timeout(Duration::MAX);
        let repos = self.rules.repos.iter();
        let start = repos.fold(start, |start, (_, add)| add(start));
        let started = match alarm::within(PATIENCE, start.into_future()).await {
            Some(Ok(started)) => started,
            Some(Err(error)) => return Err(Refusal::Failed(error)),
            None => {
                return Err(Refusal::Late {
                    waited: PATIENCE,
                    open: self.lock().sessions.len(),
                });
            }
        };
        let session = Arc::new(Session {
            owner: Owner::clone(&started),
            timeout: wish.timeout.unwrap_or(self.rules.timeout),
            sliding: wish.sliding.unwrap_or(self.rules.sliding),
            started: Mutex::new(Some(started)),
            since: Instant::now(),
            of: Arc::downgrade(self),
            runtime: Handle::current(),
        });
        place.fill(&session);
        session.look_again(session.timeout);
        Ok(session)
    }

    /// The session that this owner is.
    pub(super) fn of(&self, owner: &Owner) -> Option<Arc<Session>> {
        self.lock().sessions.get(&owner.id()).cloned()
    }

    /// A place for one more.
    fn reserve(&self) -> Result<Reserved<'_>, Refusal> {
        let limit = self.rules.limit;
        let mut open = self.lock();
        if open.sessions.len() + open.opening >= limit {
            return Err(Refusal::Full { limit });
        }
        open.opening += 1;
        Ok(Reserved(self))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn numbered() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("session {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A place that is taken until there is a session for it, or will be none.
struct Reserved<'a>(&'a Sessions);

impl Reserved<'_> {
    fn fill(self, session: &Arc<Session>) {
        let mut open = self.0.lock();
        let taken = open
            .sessions
            .insert(session.owner.id(), Arc::clone(session));
        open.opening -= 1;
        drop(open);
        drop(taken);
        std::mem::forget(self);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
    }
}

impl Session {
    /// How long it has, unless it is used before.
    pub(super) fn left(&self) -> Duration {
        let spent = if self.sliding {
            self.owner.idle()
        } else {
            self.since.elapsed()
        };
        self.timeout.saturating_sub(spent)
    }

    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether a request of it is being answered.
    fn is_in_flight(&self) -> bool {
        let work = self.owner.work::<Tracker>().unfinished();
        let mut requests = work.iter().filter_map(|work| work.request.as_ref());
        requests.any(|request| request.in_flight)
    }

    /// Ends it and waits until everything is rolled back. `None` when somebody else ends it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it ends all the same.
    pub(super) async fn end(self: &Arc<Self>) -> Option<Result<(), Error>> {
        let started = self.started().take()?;
        let stopping = tokio::spawn(self.stop(started));
        Some(stopping.await.unwrap_or_else(|error| {
            if error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
            // Only this runtime's end cancels it, and whoever waits for it as well.
            Ok(())
        }))
    }

    /// Its place is free when it is done, or dropped.
    fn stop(
        self: &Arc<Self>,
        started: StartedOwner,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let place = Leaves(Arc::clone(self));
        async move {
            let at = started.started_at();
            let stopped = started.stop_by(Asker::now(Some(at))).await;
            // Until now it held what the database has only so much of.
            drop(place);
            stopped
        }
    }

    fn look_again(self: &Arc<Self>, pause: Duration) {
        let this: Arc<dyn Due> = self.clone();
        if let Some(when) = Instant::now().checked_add(pause) {
            alarm::at(when, Arc::downgrade(&this));
        }
    }

    fn started(&self) -> MutexGuard<'_, Option<StartedOwner>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that ends leaves its place.
struct Leaves(Arc<Session>);

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(sessions) = self.0.of.upgrade() {
            let gone = sessions.lock().sessions.remove(&self.0.owner.id());
            drop(gone);
        }
    }
}

impl Due for Session {
    /// Its time is up, unless somebody has used it meanwhile.
    fn due(self: Arc<Self>) {
        if self.sliding && self.is_in_flight() {
            // Looked at again before long: its time begins anew when it is answered, which nobody tells.
            self.owner.is_used();
            return self.look_again((self.timeout / 4).max(OFTEN));
        }
        let left = self.left();
        if !left.is_zero() {
            return self.look_again(left);
        }
        let Some(started) = self.started().take() else {
            return;
        };
        let since = if self.sliding {
            "was last used"
        } else {
            "began"
        };
        tracing::warn!(
            target: "heirloom",
            "the session `{}` ends by itself, {:?} after it {since}", self.owner, self.timeout
        );
        let stop = self.stop(started);
        drop(self.runtime.spawn(async move {
            if let Err(error) = stop.await {
                tracing::error!(target: "heirloom", "{error}");
            }
        }));
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &self.lock().sessions.len())
            .finish_non_exhaustive()
    }
}
