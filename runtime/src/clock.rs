//! A paused clock: time stands still while a test's sessions have work in flight.
//!
//! tokio moves a paused clock on to the next timer when its runtime has nothing to do, and waiting for a server is nothing
//! to do. It does not while a blocking task runs. So there is one whenever the runtime is about to rest while somebody
//! waits for what time has no part in. What goes on between tasks of the runtime needs none of it, sockets among them
//! included: tokio looks for their events before it moves the clock.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use tokio::runtime::Handle;

/// The clock of a test that was started with time paused. Cheap to clone.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(feature = "_database"),
    allow(unreachable_pub, reason = "what is asked of a database names it")
)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How many things are waited for.
    holds: usize,
    /// What keeps time still: a blocking task, until this is dropped.
    keeper: Option<Sender<()>>,
    /// The test's own runtime, and the thread that drives it.
    home: Option<(Handle, ThreadId)>,
    ended: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}

/// Time stands still until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold(Clock);

impl Clock {
    /// Says which runtime has this clock; the current thread is to drive it.
    pub(crate) fn set_home(&self, home: Handle) {
        self.state().home = Some((home, std::thread::current().id()));
    }

    /// The runtime that has this clock.
    #[cfg(feature = "postgres")]
    pub(crate) fn home(&self) -> Option<Handle> {
        let state = self.state();
        state.home.as_ref().map(|(home, _)| home.clone())
    }

    /// Time stands still until what this gives is dropped.
    pub(crate) fn hold(&self) -> Hold {
        self.state().holds += 1;
        Hold(self.clone())
    }

    /// To be called when the runtime is about to rest.
    ///
    /// Only here the clock is let go, unless another thread ends the wait. A task that was let go before may still be
    /// ending: it has no part in what comes then, as each wait is found here before the clock could move.
    pub(crate) fn before_rest(&self) {
        let mut state = self.state();
        if state.holds == 0 || state.ended {
            state.keeper = None;
        } else if state.keeper.is_none()
            && let Some((home, _)) = &state.home
        {
            let (keeper, released) = channel();
            drop(home.spawn_blocking(move || released.recv().is_err()));
            state.keeper = Some(keeper);
        }
    }

    /// Nothing keeps time still from here on.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.keeper = None;
        // The runtime has this clock as well.
        state.home = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.holds -= 1;
        let here = std::thread::current().id();
        let is_home = matches!(&state.home, Some((_, home)) if *home == here);
        if state.holds == 0 && !is_home {
            // The runtime may be at rest: the end of the task wakes it.
            state.keeper = None;
        }
    }
}
