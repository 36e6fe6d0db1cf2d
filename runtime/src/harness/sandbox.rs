//! The running test, as its fixtures see it, and what makes a fixture.

use super::runtime::Home;
use crate::error::{BoxError, Inspection, Place};
use crate::owner::Owner;
use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// The running test: its owner, its fixtures, and what is to happen at its end. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    owner: Owner,
    home: Home,
    teardown: Mutex<Vec<Hook>>,
}

/// Something to do at the end of a test, and where that is written.
pub(super) struct Hook {
    pub(super) at: Place,
    pub(super) run: Box<dyn FnOnce() -> Running + Send>,
}

type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// What fails in a test fails the test; nothing here is left half done by it.
impl UnwindSafe for Sandbox {}
impl RefUnwindSafe for Sandbox {}

impl Sandbox {
    pub(super) fn new(owner: Owner, home: Home) -> Self {
        Self(Arc::new(Inner {
            owner,
            home,
            teardown: Mutex::default(),
        }))
    }

    /// The test's owner.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.0.owner
    }

    /// The test's name, `module::test`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.owner.name()
    }

    /// This test's own name for something outside of the database: a topic, a cache key, a file, a bucket; see
    /// [`scoped_name`](crate::scoped_name()), which is what the application itself calls.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let bucket = sandbox.scoped_name("uploads"); // uploads-p3k7x2mrq8vwh5zn
    /// assert_eq!(heirloom::scoped_name("uploads"), bucket);
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn scoped_name(&self, name: &str) -> String {
        self.0.owner.scoped_name(name)
    }

    /// Who owns what in this process now, as a tree that a person can read: every running test, its sessions and who uses
    /// them, its allowances, the repos' modes, and what waits for an owner.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// println!("{}", sandbox.inspect());
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        crate::owner::inspect()
    }

    /// Makes another fixture. Each call makes a new one; pools are those of the one session.
    ///
    /// # Errors
    ///
    /// The fixture's own.
    pub async fn get<T: FromSandbox>(&self) -> Result<T, BoxError> {
        T::from_sandbox(self).await
    }

    /// Registers something to do after the body, on the test's runtime and still as its owner, also when the body
    /// panicked. Last registered, first run. An error or a panic in it fails the test, and so does running for longer than
    /// `drain_timeout` (default 5 s); the others run all the same.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// sandbox.on_teardown(|| async {
    ///     // stop a server, compare a file …
    ///     Ok(())
    /// });
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn on_teardown<F, Fut>(&self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + 'static,
    {
        self.hooks().push(Hook {
            at: Location::caller().into(),
            run: Box::new(move || Box::pin(hook())),
        });
    }

    pub(super) fn home(&self) -> &Home {
        &self.0.home
    }

    pub(super) fn has_hooks(&self) -> bool {
        !self.hooks().is_empty()
    }

    pub(super) fn next_hook(&self) -> Option<Hook> {
        self.hooks().pop()
    }

    fn hooks(&self) -> std::sync::MutexGuard<'_, Vec<Hook>> {
        self.0
            .teardown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("owner", &self.0.owner)
            .finish_non_exhaustive()
    }
}

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
    note = "a test takes its database as `PgPool`, `PoolConnection<Postgres>`, `(PgPoolOptions, PgConnectOptions)` or `PgListener` (feature `postgres`), or as `SqlitePool`, `PoolConnection<Sqlite>` or `(SqlitePoolOptions, SqliteConnectOptions)` (feature `sqlite`), those of sqlx 0.8 with the feature `sqlx-0_8`, itself as `Sandbox` or `Owner`, and fixtures of your own: implement `heirloom::FromSandbox` for `{Self}`"
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
