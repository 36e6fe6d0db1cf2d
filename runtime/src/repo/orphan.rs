//! Code that nobody owns: a poller that the application started before any test.

use super::{Repo, Supported};
use crate::context::changes;
use std::pin::pin;

/// What happens to code that uses a repo while nobody owns it and the repo is manual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It gets [`Error::Ownership`](crate::Error::Ownership).
    #[default]
    Error,
    /// It waits until an owner adopts it, by [`Owner::allow`](crate::Owner::allow), or the repo's mode lets everybody in.
    /// For background services that would answer errors with alarms or restarts.
    Pause,
}

impl<DB: Supported> Repo<DB> {
    /// What happens in tests to code that nobody owns. Default: [`OrphanPolicy::Error`].
    ///
    /// Only with the `sandbox` feature; production has no such code.
    #[must_use]
    pub const fn orphans(mut self, policy: OrphanPolicy) -> Self {
        self.config.orphans = policy;
        self
    }
}

/// Asks again after every change until there is an answer.
pub(super) async fn until_changed<T>(ask: impl Fn() -> Option<T>) -> T {
    loop {
        // Enrolled before the question, so that no change is missed between the two.
        let mut changed = pin!(changes::next());
        changed.as_mut().enable();
        if let Some(answer) = ask() {
            return answer;
        }
        changed.await;
    }
}
