//! In production nobody owns anything, so there is nothing to write down.

use super::owned::{Owned, carried_fn};
use crate::context::Carrier;
use crate::error::Error;
use std::fmt;
use std::future::Future;
use std::str::FromStr;

/// Who owns a piece of work, as a value that can be written down: in production always nothing. Whatever it is read from is
/// taken for that, so a payload that a test wrote does no harm.
///
/// ```
/// use heirloom::OwnerContext;
///
/// assert_eq!(OwnerContext::capture().to_string(), "");
/// let of_a_test: OwnerContext = "00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(of_a_test, OwnerContext::default());
/// # Ok::<_, heirloom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnerContext(());

impl OwnerContext {
    /// Nothing.
    #[must_use]
    pub fn capture() -> Self {
        Self(())
    }

    /// Keeps the current tracing span for the future, as [`owned`](crate::owned()) does.
    ///
    /// # Errors
    ///
    /// None.
    pub fn restore<F: Future>(&self, future: F) -> Result<Owned<F>, Error> {
        Ok(Owned::lent(future, Carrier::capture()))
    }

    /// The same for a closure.
    ///
    /// # Errors
    ///
    /// None.
    pub fn restore_fn<F, R>(&self, closure: F) -> Result<impl FnOnce() -> R, Error>
    where
        F: FnOnce() -> R,
    {
        Ok(carried_fn(closure, Carrier::capture()))
    }

    /// What is written down.
    #[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "nobody writes it"))]
    #[expect(clippy::unused_self, reason = "in tests it has a token")]
    pub(super) fn text(self) -> Option<String> {
        None
    }
}

impl fmt::Display for OwnerContext {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl FromStr for OwnerContext {
    type Err = Error;

    fn from_str(_: &str) -> Result<Self, Error> {
        Ok(Self(()))
    }
}
