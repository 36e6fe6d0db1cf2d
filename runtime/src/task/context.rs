//! An owner as a value that rides in a job's payload.

use super::owned::{Owned, carried_fn};
use crate::context::{self, Carrier};
use crate::error::Error;
use crate::owner::{NotAToken, Owner, Token};
use std::fmt;
use std::future::Future;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Who owns a piece of work, as a small value that can be written down: for a job that waits in a queue, in a table, or in
/// another process, until somebody runs it who has nothing to do with whoever wanted it done.
///
/// [`capture`](Self::capture) it where the job is enqueued, put it into the job's payload or metadata, and
/// [`restore`](Self::restore) it where the job is run. It is 32 hexadecimal digits, or nothing: with [`Display`](fmt::Display)
/// and [`FromStr`] an empty text, with the feature `serde` nothing is `null`, as is a field that is not there.
///
/// Without the `sandbox` feature it is always nothing, and takes whatever it finds for that: a payload that a test wrote
/// does no harm in production, nor the other way round.
///
/// ```
/// use heirloom::OwnerContext;
///
/// struct Job {
///     to: String,
///     owner: OwnerContext,
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let job = Job { to: "ada@example.org".to_owned(), owner: OwnerContext::capture() };
/// // .. later, in a worker that serves everybody:
/// let send = async { format!("sent to {}", job.to) };
/// assert_eq!(job.owner.restore(send)?.await, "sent to ada@example.org");
/// # Ok::<_, heirloom::Error>(()) }).unwrap();
/// ```
///
/// Whoever can read it can use the owner's session, from this machine, for as long as the owner runs. `Debug` hides it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OwnerContext(Option<Token>);

impl OwnerContext {
    /// The owner of the code that is running now; nothing, if nobody owns it.
    #[must_use]
    pub fn capture() -> Self {
        Self(context::current().map(|owner| *owner.token()))
    }

    /// The owner, found anew each time: `None` if nobody was captured. There with the `sandbox` feature only.
    ///
    /// # Errors
    ///
    /// [`Error::OwnerEnded`], which names the test that wanted the work done, when that has ended meanwhile;
    /// [`Error::UnknownToken`] for an owner of another process or an earlier run.
    #[track_caller]
    pub fn owner(&self) -> Result<Option<Owner>, Error> {
        self.0.as_ref().map(Owner::by_token).transpose()
    }

    /// Makes a future belong to the captured owner, wherever it is polled; if nobody was captured, to whoever is current
    /// here, as [`owned`](crate::owned()) does. In production it keeps the current tracing span.
    ///
    /// From now on it is work of that owner, which `settle` waits for. While it was in the queue it was not: run the queue
    /// inside the test, or wait for what the job brings about.
    ///
    /// # Errors
    ///
    /// As [`owner`](Self::owner): then the job must not run, as its data is gone. In production never.
    #[track_caller]
    pub fn restore<F: Future>(&self, future: F) -> Result<Owned<F>, Error> {
        Ok(Owned::lent(future, self.carrier()?))
    }

    /// The same for a closure: for a job that is run on a thread.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore).
    #[track_caller]
    pub fn restore_fn<F, R>(&self, closure: F) -> Result<impl FnOnce() -> R, Error>
    where
        F: FnOnce() -> R,
    {
        Ok(carried_fn(closure, self.carrier()?))
    }

    #[track_caller]
    fn carrier(&self) -> Result<Carrier, Error> {
        let owner = self.owner()?;
        Ok(owner.as_ref().map_or_else(Carrier::capture, Carrier::of))
    }

    /// What is written down.
    #[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "nobody writes it"))]
    pub(super) fn text(self) -> Option<String> {
        self.0.map(|token| token.to_string())
    }
}

/// Of an owner that is at hand.
impl From<&Owner> for OwnerContext {
    fn from(owner: &Owner) -> Self {
        Self(Some(*owner.token()))
    }
}

/// The token's digits; of nobody nothing.
impl fmt::Display for OwnerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(token) => token.fmt(f),
            None => Ok(()),
        }
    }
}

impl FromStr for OwnerContext {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let token = text.parse().map_err(|_: NotAToken| Error::NotAContext)?;
        Ok(Self(Some(token)))
    }
}

impl fmt::Debug for OwnerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "OwnerContext(..)",
            None => "OwnerContext(nobody)",
        })
    }
}
