//! Warm sessions with a server: they live on the background runtime, and an owner takes one along for as long as it runs.
//!
//! Of a session only this is known here: it is started, taken from a runtime and given to one, reset, and noticed to be
//! dead. A place is a right to have one session; there are as many as [`bound`] says. Whoever has no place waits, first
//! come first served. Idle sessions have no place, but count: of those that a newcomer cannot use, one is closed when
//! there would be too many.

mod bound;
#[cfg(test)]
mod tests;
mod waiting;

use super::background;
use super::once::Once;
use super::patience::{AGAIN, Passing, patiently, until_back};
use super::session::{Parked, Session};
use super::template::tidy;
use super::templates::{Ready, refused};
use super::upstream::{ConnectError, Upstream};
use crate::error::{BoxError, Error};
use crate::isolation::{Tenant, Wanted};
use sqlx::Postgres;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// Who wants a session.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// The test, for messages.
    pub(super) name: String,
    /// For how long it waits.
    pub(super) patience: Duration,
}

impl Who {
    /// Waits for as long as it may then have the session, if that was said.
    pub(super) fn of(tenant: &Tenant, wanted: &Wanted<Postgres>) -> Self {
        Self {
            name: tenant.name.clone(),
            patience: wanted.limit.unwrap_or(PATIENCE),
        }
    }
}

/// For how long to wait for a session, where nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// A session is used up if it cannot be reset within this.
const RESET_PATIENCE: Duration = Duration::from_secs(10);

/// After so many sessions that were given back, tables are vacuumed.
const TIDY_EVERY: u32 = 200;

/// A session in the database that is ready, by itself: whoever takes it resumes it on a runtime of its own.
///
/// # Cancel safety
///
/// Whoever stops waiting leaves its place to the next.
pub(super) async fn take(ready: &Arc<Ready>, who: Who) -> Result<Taken, Error> {
    let pool = Pool::of(ready, &who).await?;
    // What is idle can be had without crossing to the other thread, which takes longer than all the rest.
    if let Some(taken) = pool.take_idle(ready, &who.name) {
        return Ok(taken);
    }
    let ready = Arc::clone(ready);
    background::run_while_wanted(async move { pool.take(&ready, who).await }).await
}

/// The sessions of this process with one server.
pub(super) struct Pool {
    /// How many there may be.
    bound: usize,
    places: Arc<Semaphore>,
    state: Mutex<State>,
    /// Something was given back, or closed.
    changed: Notify,
    /// Who waits for a server that is full, one after the other.
    full: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The longest idle first.
    idle: Vec<Idle>,
    holders: BTreeMap<u64, Holder>,
    next: u64,
    /// By database, how many were given back since it was last vacuumed.
    given_back: BTreeMap<Arc<str>, u32>,
    /// How many wait for a server that is full.
    queued: usize,
}

struct Idle {
    /// What it can be used for.
    key: Arc<str>,
    session: Session,
}

/// Who has a session, and since when.
#[derive(Clone, Debug)]
struct Holder {
    name: String,
    since: Instant,
}

impl Pool {
    async fn of(ready: &Arc<Ready>, who: &Who) -> Result<Arc<Self>, Error> {
        static POOLS: Once<Pool> = Once::new();
        let server = ready.template().config().address().to_string();
        let (ready, who) = (Arc::clone(ready), who.clone());
        let open = || async move {
            let bound = patiently(|| bound::of(&ready)).await;
            let bound = bound.map_err(|error| refused(&who.name, error))?;
            Ok(Self::with(bound))
        };
        POOLS.get(server, open).await
    }

    fn with(bound: usize) -> Self {
        Self {
            bound,
            places: Arc::new(Semaphore::new(bound)),
            state: Mutex::default(),
            changed: Notify::new(),
            full: tokio::sync::Mutex::default(),
        }
    }

    /// To be called on the background runtime.
    async fn take(self: &Arc<Self>, ready: &Arc<Ready>, who: Who) -> Result<Taken, Error> {
        let taking = self.session(ready, &who.name);
        match waiting::patiently(self, &who, taking).await {
            Some(Ok((session, slot))) => match session.park() {
                Ok(parked) => Ok(Taken(Some((parked, slot)))),
                Err(error) => Err(refused(&who.name, error)),
            },
            Some(Err(error)) => Err(refused(&who.name, error)),
            None => Err(Error::NoFreeSession {
                owner: who.name,
                waited: who.patience,
                most: self.bound,
                holders: self.holders(),
            }),
        }
    }

    async fn session(
        self: &Arc<Self>,
        ready: &Arc<Ready>,
        who: &str,
    ) -> Result<(Session, Slot), BoxError> {
        let place = Arc::clone(&self.places).acquire_owned().await?;
        // Whoever waits for a full server comes before those who come now.
        let is_first = self.state().queued == 0;
        let session = match is_first.then(|| self.idle(ready)).flatten() {
            Some(session) => session,
            None => self.open(ready).await?,
        };
        Ok((session, self.slot(ready, who, place)))
    }

    /// An idle session, if nobody waits for one. On whatever thread.
    fn take_idle(self: &Arc<Self>, ready: &Arc<Ready>, who: &str) -> Option<Taken> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let is_first = self.state().queued == 0;
        let session = is_first.then(|| self.idle(ready)).flatten()?;
        let parked = session.park().ok()?;
        Some(Taken(Some((parked, self.slot(ready, who, place)))))
    }

    fn slot(self: &Arc<Self>, ready: &Arc<Ready>, who: &str, place: OwnedSemaphorePermit) -> Slot {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let holder = Holder {
            name: who.to_owned(),
            since: Instant::now(),
        };
        state.holders.insert(number, holder);
        Slot {
            pool: Arc::clone(self),
            ready: Arc::clone(ready),
            number,
            _place: place,
        }
    }

    /// An idle session that fits and lives. Those that died are dropped.
    fn idle(&self, ready: &Ready) -> Option<Session> {
        let key = ready.key();
        let mut state = self.state();
        loop {
            let last = state.idle.iter().rposition(|idle| idle.key == *key)?;
            let mut session = state.idle.remove(last).session;
            if session.is_open() {
                return Some(session);
            }
        }
    }

    /// A new session, as soon as the server lets us; or one that becomes idle meanwhile.
    async fn open(&self, ready: &Ready) -> Result<Session, BoxError> {
        if let Some(upstream) = ready.take_first().filter(|_| !self.is_over_bound())
            && let Ok(session) = Session::start(upstream).await
        {
            return Ok(session);
        }
        self.make_room();
        if self.state().queued == 0 {
            match self.connect(ready).await {
                Err(error) if is_full(&error) => {}
                other => return other,
            }
        }
        let _queued = Queued::of(self);
        let _turn = self.full.lock().await;
        loop {
            match self.connect(ready).await {
                Err(error) if is_full(&error) => {}
                other => return other,
            }
            // Also what became idle while the server was asked.
            if let Some(session) = self.idle(ready) {
                return Ok(session);
            }
            // What others cannot use now makes room for what is wanted now.
            self.close_longest_idle();
            timeout(AGAIN, self.changed.notified()).await.ok();
            if let Some(session) = self.idle(ready) {
                return Ok(session);
            }
        }
    }

    /// Connects; a server that was there a moment ago is waited for, as it may be restarting.
    async fn connect(&self, ready: &Ready) -> Result<Session, BoxError> {
        let config = ready.template().config();
        let upstream = until_back(|| Upstream::connect(config)).await?;
        Ok(Session::start(upstream).await?)
    }

    /// Closes an idle session of another kind if with one more there would be too many.
    fn make_room(&self) {
        if self.is_over_bound() {
            self.close_longest_idle();
        }
    }

    /// Whether more sessions are idle than there are places that nobody has.
    fn is_over_bound(&self) -> bool {
        self.state().idle.len() > self.places.available_permits()
    }

    fn close_longest_idle(&self) {
        let mut state = self.state();
        if !state.idle.is_empty() {
            drop(state.idle.remove(0));
        }
    }

    /// Resets a session and leaves it for the next. Its place is free afterwards.
    async fn reset(&self, ready: &Ready, session: Session) {
        let canceller = session.canceller().clone();
        match timeout(RESET_PATIENCE, session.reset()).await {
            Ok(Some(session)) => {
                let key = Arc::clone(ready.key());
                self.state().idle.push(Idle { key, session });
            }
            Ok(None) => {}
            // The session is dropped; what it does shall not go on.
            Err(_) => drop(canceller.cancel().await),
        }
    }

    /// Whether it is time to vacuum the tables of a template. The application's own are its own business.
    fn is_untidy(&self, ready: &Ready) -> bool {
        if ready.is_as_it_is() {
            return false;
        }
        let mut state = self.state();
        let count = state.given_back.entry(Arc::clone(ready.key()));
        // Where every test is a process, the one or the other gets there as well.
        let count = count.or_insert_with(|| random_below(TIDY_EVERY));
        *count += 1;
        let is_time = *count >= TIDY_EVERY;
        if is_time {
            *count = 0;
        }
        is_time
    }

    fn holders(&self) -> Vec<String> {
        let state = self.state();
        let holders = state.holders.values();
        holders
            .map(|holder| format!("`{}`, for {:.1?}", holder.name, holder.since.elapsed()))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_full(error: &BoxError) -> bool {
    let error = error.downcast_ref::<ConnectError>();
    error.is_some_and(Passing::is_full)
}

fn random_below(most: u32) -> u32 {
    let mut bits = [0; 4];
    getrandom::fill(&mut bits).expect("the operating system hands out random bytes");
    u32::from_ne_bytes(bits) % most
}

/// Somebody waits for a server that is full: who comes later waits behind.
struct Queued<'a>(&'a Pool);

impl<'a> Queued<'a> {
    fn of(pool: &'a Pool) -> Self {
        pool.state().queued += 1;
        Self(pool)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.state().queued -= 1;
    }
}

/// A session that nobody has begun to use. Dropped, it is given back.
#[derive(Debug)]
#[must_use]
pub(super) struct Taken(Option<(Parked, Slot)>);

impl Taken {
    /// The session, and the place it is given back to.
    pub(super) fn into_parts(mut self) -> (Parked, Slot) {
        self.0.take().expect("it is given away once")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some((parked, slot)) = self.0.take() {
            slot.take_back(async move { Session::resume(parked) }, None);
        }
    }
}

/// The place of a session that is in use. Dropped, the session is lost, and there may be another in its place.
#[must_use]
pub(super) struct Slot {
    pool: Arc<Pool>,
    ready: Arc<Ready>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Slot {
    /// Gives the session back. It is reset in the background, and its place is taken until then.
    pub(super) fn give_back(self, session: Session) {
        self.take_back(async move { session.rehome() }, None);
    }

    /// The same, and waits until what was done in it is rolled back, or for this long.
    pub(super) async fn roll_back(self, session: Session, patience: Duration) {
        let (done, is_done) = oneshot::channel();
        self.take_back(async move { session.rehome() }, Some(done));
        background::timeout(patience, is_done).await.ok();
    }

    fn take_back(
        self,
        session: impl Future<Output = io::Result<Session>> + Send + 'static,
        done: Option<oneshot::Sender<()>>,
    ) {
        background::spawn(async move {
            if let Ok(session) = session.await {
                self.pool.reset(&self.ready, session).await;
            }
            // Whoever waits for that is told.
            drop(done);
            let ready = Arc::clone(&self.ready);
            let is_untidy = self.pool.is_untidy(&ready);
            drop(self);
            if is_untidy {
                vacuum(&ready).await.ok();
            }
        });
    }
}

/// On a session of its own, in no transaction. What cannot be done now is done the next time.
async fn vacuum(ready: &Ready) -> Result<(), BoxError> {
    let mut session = Upstream::connect(ready.template().config()).await?;
    tidy(&mut session).await?;
    session.close().await;
    Ok(())
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.state().holders.remove(&self.number);
        self.pool.changed.notify_one();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
