//! What every test can ask for in its arguments, whatever its database.

use super::failure::Failure;
use super::sandbox::{FromSandbox, Sandbox};
use crate::error::BoxError;
use crate::error::Place;
use crate::owner::Owner;
use std::future::Future;
use std::pin::Pin;

impl FromSandbox for Sandbox {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.clone())
    }
}

impl FromSandbox for Owner {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.owner().clone())
    }
}

/// Makes one argument of a test, for generated code: `what` is the argument as written.
///
/// # Errors
///
/// The fixture's own, with the argument and its place.
///
/// Boxed, so that the compiler reports a type that is no fixture once, at the type, and not again wherever the future's
/// own type is worked out.
#[must_use]
pub fn argument<'a, T: FromSandbox + 'a>(
    sandbox: &'a Sandbox,
    what: &'static str,
    place: Place,
) -> Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>> {
    Box::pin(async move {
        let made = T::from_sandbox(sandbox).await;
        made.map_err(|error| Failure::new(format!("fixture `{what}` failed"), Some(place), error))
    })
}
