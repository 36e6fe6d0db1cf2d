//! Waiting, in a test, until nothing of it is under way.

use super::sandbox::Sandbox;
use crate::clock::Clock;
use crate::error::{Error, Panicked};
use crate::task::{InFlight, SETTLE_TIMEOUT, Tracker, Until, Watched, wait};
use std::time::Duration;

const SETTLE: &str = "see what keeps it busy, or give it more time: `sandbox.settle_within(Duration::from_secs(20))`";
const JOIN: &str = "a task that is never to end is an actor: name it, `#[owned_task(name = \"..\")]`, or wait with `sandbox.settle()`; one that \
     needs longer: `sandbox.join_within(..)`";

impl Sandbox {
    /// Waits until the test has settled: every owned task, job, thread and message is done or waits for something, no
    /// database call is in flight, no request is, and the test's runtime has nothing to do, so that what dependencies spawned
    /// counts, too. At most 5 s.
    ///
    /// Then whatever the test set off has happened, except what waits for time or for the outside world. No sleeping until
    /// the background has done its work:
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// static SENT: AtomicBool = AtomicBool::new(false);
    /// tokio::spawn(async { SENT.store(true, Ordering::Relaxed) }); // a letter, say
    /// sandbox.settle().await?;
    /// assert!(SENT.load(Ordering::Relaxed));
    /// # Ok(()) });
    /// ```
    ///
    /// The code that asks does not count, nor does the test's own body. A blocking job counts until it is done, unless it has a name,
    /// as actors do. A thread counts as waiting while it sleeps: in a lock, a channel or a timer, on a socket, for another
    /// program, for others' threads. Only Linux tells; elsewhere a thread counts as busy until it has ended. Of other
    /// runtimes only owned work is seen, not what is on its way to it through a socket. A request, to a server with
    /// `SandboxLayer` or from a client with `TokenLayer`, counts until the head of its response is there; a body that streams
    /// and an open WebSocket do not. A paused clock stands still meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::NotSettled`], with all that was still busy, where it was spawned and what it was doing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nobody waits any more; nothing else changes.
    pub async fn settle(&self) -> Result<(), Error> {
        self.settle_within(SETTLE_TIMEOUT).await
    }

    /// The same as [`Sandbox::settle`], for another time. On the wall clock, also when tokio's is paused.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::settle`].
    pub async fn settle_within(&self, limit: Duration) -> Result<(), Error> {
        self.wait(Until::Settled, limit, SETTLE, false).await
    }

    /// Waits until every owned task, job, thread and message has ended, except actors, which need not end: work with a
    /// name, `#[owned_task(name = "..")]` or [`Owned::named`](crate::Owned::named). At most 5 s.
    ///
    /// Unlike [`Sandbox::settle`] it waits for what waits for time; a paused clock goes on.
    ///
    /// # Errors
    ///
    /// [`Error::NotSettled`], with all that has not ended.
    ///
    /// # Cancel safety
    ///
    /// As [`Sandbox::settle`].
    pub async fn join(&self) -> Result<(), Error> {
        self.join_within(SETTLE_TIMEOUT).await
    }

    /// The same as [`Sandbox::join`], for another time.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::join`].
    pub async fn join_within(&self, limit: Duration) -> Result<(), Error> {
        self.wait(Until::Joined, limit, JOIN, false).await
    }

    /// Which owned tasks, jobs and threads have panicked so far, and with what. Those that are taken here no longer fail the
    /// test at its end; all others do, as a panic that nobody joins would otherwise be lost.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let task = tokio::spawn(heirloom::owned(async { panic!("as it should") }));
    /// assert!(task.await.is_err());
    /// assert_eq!(sandbox.take_panics()[0].message, "as it should");
    /// # Ok(()) });
    /// ```
    #[must_use = "taken, they fail the test no longer"]
    pub fn take_panics(&self) -> Vec<Panicked> {
        self.owner().work::<Tracker>().take_panics()
    }

    pub(super) async fn wait(
        &self,
        until: Until,
        limit: Duration,
        help: &'static str,
        alone: bool,
    ) -> Result<(), Error> {
        let home = self.home();
        let watched = Watched {
            owner: self.owner().clone(),
            home: Some((home.rest.clone(), home.handle.clone())),
            in_flight: self.in_flight(),
            alone,
        };
        let clock = home.clock.as_ref().filter(|_| until == Until::Settled);
        let stands_still = clock.map(Clock::hold);
        let waited = wait(watched, until, limit).await;
        drop(stands_still);
        waited.map_err(|busy| Error::NotSettled {
            owner: self.name().to_owned(),
            joined: until == Until::Joined,
            waited: limit,
            busy: Box::new(busy),
            help,
        })
    }

    #[cfg(feature = "_database")]
    fn in_flight(&self) -> InFlight {
        let owner = self.owner().clone();
        Box::new(move || super::database::in_flight(&owner))
    }

    #[cfg(not(feature = "_database"))]
    #[allow(clippy::unused_self, reason = "there is no database")]
    fn in_flight(&self) -> InFlight {
        Box::new(Vec::new)
    }
}
