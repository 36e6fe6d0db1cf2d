//! What every test can ask for in its arguments, whatever its database.

use super::failure::Failure;
use super::sandbox::{FromSandbox, Sandbox};
use crate::error::BoxError;
use crate::error::Place;
use crate::error::panic_message;
use crate::owner::Owner;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

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
        let failed =
            |why, error| Failure::new(format!("fixture `{what}` {why}"), Some(place), error);
        match caught(T::from_sandbox(sandbox)).await {
            Ok(made) => made.map_err(|error| failed("failed", error)),
            // A test that should panic waits for its own panic, not for one of its fixtures'.
            Err(panic) => Err(failed(
                "panicked",
                panic_message(panic.as_ref()).to_owned().into(),
            )),
        }
    })
}

/// A future whose panics are its output.
async fn caught<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
    })
    .await
}
