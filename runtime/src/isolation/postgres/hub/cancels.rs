//! Requests to stop what the session is doing. They come to the server by ways of their own, and stop whatever runs when
//! they are there: so one is sent only while a client's statement runs, and nothing else as long as one is on its way.
//! What heirloom itself sends must not be stopped, as it holds together what the test has done so far.

use crate::isolation::postgres::background;
use crate::isolation::postgres::upstream::Canceller;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Of one session.
#[derive(Debug)]
pub(super) struct Cancels {
    canceller: Canceller,
    sent: Arc<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many are on their way.
    pending: usize,
    /// Whether a client's statement runs, as far as is known, and nothing else is going to be sent.
    is_running: bool,
    /// Whether one was asked for while nothing ran that may be stopped: it is for what runs next in the same turn.
    is_wanted: bool,
}

/// A client's statement runs, until this is dropped.
pub(super) struct Running<'a> {
    cancels: &'a Cancels,
    /// Whether its end was asked for before. It may not have begun yet when the request gets there, which is lost then.
    pub(super) is_stopped: bool,
}

impl Cancels {
    pub(super) fn of(canceller: Canceller) -> Self {
        Self {
            canceller,
            sent: Arc::default(),
        }
    }

    /// Asks the server to stop the client's statement whose turn it is, as soon as that runs. Does not wait.
    pub(super) fn request(&self) {
        let mut state = self.sent.state();
        if state.is_running {
            self.send(&mut state);
        } else {
            state.is_wanted = true;
        }
    }

    /// A client's statement runs from here on: it may be stopped until this is dropped. Then [`Cancels::over`] is to be
    /// waited for.
    pub(super) fn while_running(&self) -> Running<'_> {
        let mut state = self.sent.state();
        state.is_running = true;
        let is_stopped = std::mem::take(&mut state.is_wanted);
        if is_stopped {
            self.send(&mut state);
        }
        Running {
            cancels: self,
            is_stopped,
        }
    }

    /// Another statement is next, which is to be stopped or not; what was asked for before was about the one before it.
    pub(super) fn begin(&self, is_wanted: bool) {
        self.sent.state().is_wanted = is_wanted;
    }

    fn send(&self, state: &mut State) {
        state.pending += 1;
        let (canceller, sent) = (self.canceller.clone(), Arc::clone(&self.sent));
        background::spawn(async move {
            // Nothing can be done about it, and whoever waits for the statement goes on waiting.
            canceller.cancel().await.ok();
            sent.state().pending -= 1;
            sent.arrived.notify_waiters();
        });
    }

    /// Waits until none is on its way.
    pub(super) async fn over(&self) {
        loop {
            let mut arrived = pin!(self.sent.arrived.notified());
            arrived.as_mut().enable();
            if self.sent.state().pending == 0 {
                return;
            }
            arrived.await;
        }
    }
}

impl Sent {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.cancels.sent.state().is_running = false;
    }
}
