//! Requests to stop what the session is doing. They come to the server by ways of their own, and stop whatever runs when
//! they are there: so one is sent only while a client's statement runs, and nothing else as long as one is on its way.
//! What heirloom itself sends must not be stopped, as it holds together what the test has done so far.

use crate::isolation::postgres::background;
use crate::isolation::postgres::upstream::Canceller;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// When to stop a statement again that has not ended: a request that came before the statement did has stopped nothing.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

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
    /// Whether a client's statement runs, as far as is known, and nothing else is going to be sent.
    is_running: bool,
    /// Whether what whoever's turn it is does is to be stopped.
    is_wanted: bool,
    /// Whether one is on its way.
    is_pending: bool,
    /// When one was sent for that.
    last: Option<Instant>,
}

/// A client's statement runs, until this is dropped.
pub(super) struct Running<'a>(&'a Cancels);

impl Cancels {
    pub(super) fn of(canceller: Canceller) -> Self {
        Self {
            canceller,
            sent: Arc::default(),
        }
    }

    /// Something else is next, which is to be stopped or not; what was asked for before was about what was before it.
    pub(super) fn begin(&self, is_wanted: bool) {
        let mut state = self.sent.state();
        (state.is_wanted, state.last) = (is_wanted, None);
    }

    /// Asks the server to stop the client's statement whose turn it is, as soon as that runs. Does not wait.
    pub(super) fn request(&self) {
        let mut state = self.sent.state();
        state.is_wanted = true;
        self.send_if_due(&mut state);
    }

    /// A client's statement runs from here on: it may be stopped until this is dropped. Then [`Cancels::over`] is to be
    /// waited for.
    pub(super) fn while_running(&self) -> Running<'_> {
        let mut state = self.sent.state();
        state.is_running = true;
        self.send_if_due(&mut state);
        Running(self)
    }

    /// Whether what runs is to be stopped: then [`Cancels::request`] is to be said again every now and then.
    pub(super) fn is_wanted(&self) -> bool {
        self.sent.state().is_wanted
    }

    /// At most one at a time, whoever asks how often.
    fn send_if_due(&self, state: &mut State) {
        let is_due = state.last.is_none_or(|last| last.elapsed() >= AGAIN);
        if !(state.is_running && state.is_wanted && is_due) || state.is_pending {
            return;
        }
        (state.is_pending, state.last) = (true, Some(Instant::now()));
        let (canceller, sent) = (self.canceller.clone(), Arc::clone(&self.sent));
        background::spawn(async move {
            // Nothing can be done about it, and it is tried again.
            canceller.cancel().await.ok();
            sent.state().is_pending = false;
            sent.arrived.notify_waiters();
        });
    }

    /// Whether one is on its way.
    pub(super) fn is_pending(&self) -> bool {
        self.sent.state().is_pending
    }

    /// Waits until none is on its way.
    pub(super) async fn over(&self) {
        loop {
            let mut arrived = pin!(self.sent.arrived.notified());
            arrived.as_mut().enable();
            if !self.is_pending() {
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
        self.0.sent.state().is_running = false;
    }
}
