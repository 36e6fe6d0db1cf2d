//! What a test asks for in its arguments.

use super::failure::Failure;
use super::sandbox::Sandbox;
use crate::error::BoxError;
use crate::owner::{Owner, Place};
use std::future::Future;
use std::pin::Pin;

/// Something a `#[sandboxed]` test can take as an argument.
///
/// Implemented for [`Sandbox`], [`Owner`] and, per database, the pool, a pooled connection, and the options to build a
/// pool of one's own. Implement it for fixtures of your own; they may ask for others:
///
/// ```
/// use heirloom::{BoxError, FromSandbox, Sandbox};
///
/// struct Name(String);
///
/// impl FromSandbox for Name {
///     async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
///         let owner = sandbox.get::<heirloom::Owner>().await?;
///         Ok(Self(owner.name().to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a `#[sandboxed]` test",
    label = "not a fixture",
    note = "a test takes its database as `SqlitePool`, `PoolConnection<Sqlite>` or `(SqlitePoolOptions, SqliteConnectOptions)` (feature `sqlite`), itself as `Sandbox` or `Owner`, and fixtures of your own: implement `heirloom::FromSandbox` for `{Self}`"
)]
pub trait FromSandbox: Sized {
    /// Makes the fixture, as the test's owner and on its runtime. Called once per argument and once per
    /// [`Sandbox::get`].
    ///
    /// # Errors
    ///
    /// Whatever keeps the fixture from being made; it fails the test, with the argument's name and place.
    fn from_sandbox(sandbox: &Sandbox) -> impl Future<Output = Result<Self, BoxError>>;
}

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
