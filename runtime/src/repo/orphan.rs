//! Code that nobody owns: a poller that the application started before any test.

/// What happens in tests to code that uses a repo while nobody owns it and the repo is manual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It gets an `Error::Ownership`.
    #[default]
    Error,
    /// It waits until an owner adopts it, by `Owner::allow`, or the repo's mode lets everybody in; and when that owner has
    /// ended, for the next. For background services that would answer errors with alarms or restarts.
    ///
    /// What is under way when the owner ends still fails: a query that has been sent, a connection that is held.
    Pause,
}

#[cfg(feature = "sandbox")]
/// Asks again after every change until there is an answer.
pub(super) async fn until_changed<T>(ask: impl Fn() -> Option<T>) -> T {
    loop {
        // Enrolled before the question, so that no change is missed between the two.
        let mut changed = std::pin::pin!(crate::context::changes::next());
        changed.as_mut().enable();
        if let Some(answer) = ask() {
            return answer;
        }
        changed.await;
    }
}
