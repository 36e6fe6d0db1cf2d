//! Requests to stop what the session is doing. They come to the server by ways of their own, and stop whatever runs when
//! they are there: so nothing else is to be sent as long as one is on its way.

use crate::isolation::postgres::background;
use crate::isolation::postgres::upstream::Canceller;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Of one session.
#[derive(Debug)]
pub(super) struct Cancels {
    canceller: Canceller,
    sent: Arc<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    /// How many are on their way.
    pending: AtomicUsize,
    arrived: Notify,
}

impl Cancels {
    pub(super) fn of(canceller: Canceller) -> Self {
        Self {
            canceller,
            sent: Arc::default(),
        }
    }

    /// Asks the server to stop what it is doing, if it is doing anything. Does not wait.
    pub(super) fn send(&self) {
        let (canceller, sent) = (self.canceller.clone(), Arc::clone(&self.sent));
        sent.pending.fetch_add(1, Ordering::SeqCst);
        background::spawn(async move {
            // Nothing can be done about it, and whoever waits for the statement goes on waiting.
            canceller.cancel().await.ok();
            sent.pending.fetch_sub(1, Ordering::SeqCst);
            sent.arrived.notify_waiters();
        });
    }

    /// Waits until none is on its way.
    pub(super) async fn over(&self) {
        loop {
            let mut arrived = pin!(self.sent.arrived.notified());
            arrived.as_mut().enable();
            if self.sent.pending.load(Ordering::SeqCst) == 0 {
                return;
            }
            arrived.await;
        }
    }
}
