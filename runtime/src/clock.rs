//! A paused clock: time stands still while a test's sessions have work in flight.
//!
//! tokio moves a paused clock on to the next timer when its runtime has nothing to do, and waiting for a server is nothing
//! to do. It does not while a blocking task runs. So there is one whenever the runtime is about to rest while somebody
//! waits for what time has no part in. What goes on between tasks of the runtime needs none of it, sockets among them
//! included: tokio looks for their events before it moves the clock.
//!
//! Of pools whose connections work elsewhere it is only known whether somebody has one. So time stands still while one is
//! out, but not for ever, as it may be held while its holder waits for time to pass.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// How long a statement may take on a connection that works elsewhere: after as long without anything else, it is taken
/// for idle.
const UNSEEN: Duration = Duration::from_secs(1);

/// The clock of a test that was started with time paused. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How many things are waited for.
    holds: usize,
    keeper: Option<Keeper>,
    /// Whether connections are out of pools that work elsewhere.
    unseen: Vec<Box<dyn Fn() -> bool + Send>>,
    /// How often the runtime has rested, and the last time by its clock.
    rests: u64,
    rested: Option<Instant>,
    /// Nothing came of waiting for those connections: in which rest, and when.
    patient: Option<(u64, Option<Instant>)>,
    /// The test's own runtime, and the thread that drives it.
    home: Option<(Handle, ThreadId)>,
}

/// Keeps time still: a blocking task, until this is dropped.
struct Keeper {
    limited: bool,
    released: Sender<()>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}

/// Time stands still until this is dropped.
#[cfg(feature = "_database")]
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold(Clock);

impl Clock {
    /// Says which runtime has this clock; the current thread is to drive it.
    pub(crate) fn set_home(&self, home: Handle) {
        self.state().home = Some((home, std::thread::current().id()));
    }

    /// The runtime that has this clock.
    #[cfg(feature = "_database")]
    pub(crate) fn home(&self) -> Option<Handle> {
        let state = self.state();
        state.home.as_ref().map(|(home, _)| home.clone())
    }

    /// Time stands still until what this gives is dropped.
    #[cfg(feature = "_database")]
    pub(crate) fn hold(&self) -> Hold {
        self.state().holds += 1;
        Hold(self.clone())
    }

    /// Time stands still, for a while, when a connection is out of such a pool.
    #[cfg(feature = "_database")]
    pub(crate) fn watch(&self, is_out: impl Fn() -> bool + Send + 'static) {
        self.state().unseen.push(Box::new(is_out));
    }

    /// To be called when the runtime is about to rest.
    ///
    /// Only here the clock is let go, unless another thread ends the wait. A task that was let go before may still be
    /// ending: it has no part in what comes then, as each wait is found here before the clock could move.
    pub(crate) fn before_rest(&self) {
        let mut state = self.state();
        let Some((home, _)) = state.home.clone() else {
            return;
        };
        state.rests += 1;
        state.rested = Some(Instant::now());
        if state.holds > 0 {
            if !matches!(&state.keeper, Some(keeper) if !keeper.limited) {
                state.keeper = Some(Keeper::start(&home));
            }
        } else if !state.is_patient() && state.unseen.iter().any(|is_out| is_out()) {
            // Another one in its place would wake the runtime by its end, again and again.
            if !state.keeper.as_ref().is_some_and(Keeper::goes_on) {
                state.keeper = Some(Keeper::limited(&home, self.clone()));
            }
        } else {
            state.keeper = None;
        }
    }

    /// Nothing keeps time still from here on.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.keeper = None;
        state.unseen.clear();
        // The runtime has this clock as well.
        state.home = None;
    }

    /// Whether nothing was done meanwhile: then time may move.
    fn is_at_rest(&self, done: &Receiver<()>) -> bool {
        let mut state = self.state();
        let is_at_rest = done.try_recv().is_err();
        if is_at_rest {
            state.patient = Some((state.rests, state.rested));
        }
        is_at_rest
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether time may move though connections are out. The end of the task wakes the runtime, and tokio does not move
    /// the clock in a rest that something has ended: so it may in the one after that, if it has not moved.
    fn is_patient(&self) -> bool {
        let is_fresh = |(rest, at)| self.rests <= rest + 2 && self.rested == at;
        self.patient.is_some_and(is_fresh)
    }
}

impl Keeper {
    fn start(home: &Handle) -> Self {
        let (released, keeper) = channel();
        drop(home.spawn_blocking(move || keeper.recv().is_err()));
        Self {
            limited: false,
            released,
        }
    }

    /// Ends by itself after a while in which the runtime has done nothing.
    fn limited(home: &Handle, clock: Clock) -> Self {
        let (released, keeper) = channel::<()>();
        drop(home.spawn_blocking(move || {
            loop {
                match keeper.recv_timeout(UNSEEN) {
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) if clock.is_at_rest(&keeper) => return,
                    Err(RecvTimeoutError::Timeout) | Ok(()) => {}
                }
            }
        }));
        Self {
            limited: true,
            released,
        }
    }

    /// Says that the runtime has done something. `false` if it has ended.
    fn goes_on(&self) -> bool {
        self.released.send(()).is_ok()
    }
}

#[cfg(feature = "_database")]
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
