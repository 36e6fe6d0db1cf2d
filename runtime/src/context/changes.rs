//! Tells those who wait for an owner that somebody may have got one.

use std::sync::LazyLock;
use tokio::sync::Notify;
#[cfg(feature = "_database")]
use tokio::sync::futures::Notified;

static CHANGES: LazyLock<Notify> = LazyLock::new(Notify::new);

/// An allowance was given, an actor started, a mode changed.
pub(crate) fn happened() {
    CHANGES.notify_waiters();
}

/// Ready after the next change from now on.
#[cfg(feature = "_database")]
pub(crate) fn next() -> Notified<'static> {
    CHANGES.notified()
}
