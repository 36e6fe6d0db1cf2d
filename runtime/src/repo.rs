//! `Repo`: a named database of the application, used through whoever owns the code that uses it.

#[cfg(feature = "sandbox")]
mod checkout;
mod executor;
#[cfg(feature = "sandbox")]
mod explained;
#[cfg(feature = "sandbox")]
mod mode;
#[cfg(feature = "sandbox")]
mod opening;
mod orphan;
#[cfg(not(feature = "sandbox"))]
#[path = "repo/resolve_plain.rs"]
mod resolve;
#[cfg(feature = "sandbox")]
mod resolve;
#[cfg(feature = "sandbox")]
mod session;
#[cfg(feature = "sandbox")]
mod sessions;
#[cfg(feature = "sandbox")]
mod start;
#[cfg(all(test, feature = "sandbox"))]
mod tests;
#[cfg(feature = "sandbox")]
mod unboxed;
#[cfg(feature = "sandbox")]
mod user;

#[cfg(feature = "sandbox")]
pub use self::{
    checkout::CheckoutRequest,
    mode::Mode,
    start::{StartOwner, StartedOwner},
    unboxed::unboxed,
};
#[cfg(feature = "sandbox")]
pub(crate) use self::{
    mode::{share_everywhere, suite_has_started},
    opening::{Wish, enter as enter_session, url as session_url},
    session::Terms,
    sessions::{Sessions, Setup, abandon, checkin_all, in_flight, urls},
};
pub use orphan::OrphanPolicy;
pub use resolve::Supported;

use crate::error::Error;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::{Pool, SqlSafeStr, Transaction};
use std::fmt;
use std::future::{Future, ready};
use std::panic::Location;
use std::sync::OnceLock;
use std::time::Duration;

/// A named database of the application: in production the pool it was given, in a test the session of the test that
/// owns the running code.
///
/// For global pools and long-lived services. `&REPO` is a [`sqlx::Executor`] and a [`sqlx::Acquire`], so it goes where
/// `&pool` goes; the owner is resolved at each call, not when the repo is made.
///
/// ```
/// use heirloom::Repo;
/// use sqlx::Sqlite;
///
/// static REPO: Repo<Sqlite> = Repo::new();
///
/// async fn count() -> sqlx::Result<i64> {
///     sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(&REPO).await
/// }
/// ```
pub struct Repo<DB: Supported> {
    name: &'static str,
    migrator: Option<&'static Migrator>,
    pool: OnceLock<Pool<DB>>,
    config: resolve::Config,
}

impl<DB: Supported> Repo<DB> {
    /// The application's main database. In a test it is the database of the test's pool argument, and the
    /// `migrations` and `fixtures` of `#[sandboxed]` are its own.
    #[must_use]
    pub const fn new() -> Self {
        Self::named("default")
    }

    /// A further database, by name. Repos of one name and database type are the same database in a test.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self {
            name,
            migrator: None,
            pool: OnceLock::new(),
            config: resolve::Config::DEFAULT,
        }
    }

    /// The migrations that a test's session starts with. Default: for [`Repo::new`] those of the test's attribute
    /// (which is `migrations` beside the package's `Cargo.toml`), for a named repo none.
    ///
    /// Only tests run them; an application runs its own when it starts.
    #[must_use]
    pub const fn migrator(mut self, migrator: &'static Migrator) -> Self {
        self.migrator = Some(migrator);
        self
    }

    /// For how long a test may have a session on this repo, from its opening, if the test does not say itself:
    /// `#[sandboxed(ownership_timeout = "..")]`. Then it is taken away and errors say so. Default 120 s, as Ecto's;
    /// `Duration::MAX` is never.
    #[must_use]
    pub const fn ownership_timeout(mut self, limit: Duration) -> Self {
        self.config = self.config.with_limit(limit);
        self
    }

    /// What happens in tests to code that nobody owns. Default: [`OrphanPolicy::Error`]. In production there is no such
    /// code, and this changes nothing.
    #[must_use]
    pub const fn orphans(mut self, policy: OrphanPolicy) -> Self {
        self.config = self.config.with_orphans(policy);
        self
    }

    /// The repo's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Gives the repo its pool, once, when the application starts.
    ///
    /// Where an owner is current it does nothing: a test that runs the application's start-up code keeps its own
    /// session.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyConnected`] on the second call.
    pub fn init(&self, pool: Pool<DB>) -> Result<(), Error> {
        if resolve::owner_is_current() {
            return Ok(());
        }
        self.pool
            .set(pool)
            .map_err(|_| Error::AlreadyConnected { repo: self.name })
    }

    /// Opens a pool on `url` with sqlx's defaults and gives it to the repo; see [`Repo::init`].
    ///
    /// # Errors
    ///
    /// `sqlx`'s own when the database cannot be reached, [`Error::AlreadyConnected`] on the second call.
    pub async fn connect(&self, url: &str) -> Result<(), sqlx::Error> {
        if resolve::owner_is_current() {
            return Ok(());
        }
        if self.pool.get().is_some() {
            return Err(Error::AlreadyConnected { repo: self.name }.into());
        }
        let pool = Pool::connect(url).await?;
        Ok(self.init(pool)?)
    }

    /// The pool to use here and now. The owner is resolved when this is called, not when it is awaited.
    ///
    /// # Errors
    ///
    /// In a test [`Error::Ownership`], [`Error::OwnerEnded`] or [`Error::SessionEnded`], or why the session could not be
    /// opened; in production [`Error::NotConnected`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it leaves nothing half open.
    #[track_caller]
    pub fn pool(&self) -> impl Future<Output = Result<Pool<DB>, Error>> + Send + use<DB> {
        let using = resolve::using(self, Some(Location::caller()), |pool| ready(Ok(pool)));
        async move { using.await.map(|(pool, _)| pool).map_err(own) }
    }

    /// A connection of the pool to use here and now.
    ///
    /// # Errors
    ///
    /// As [`Repo::pool`], inside [`sqlx::Error::Configuration`], and those of [`Pool::acquire`].
    #[track_caller]
    pub fn acquire(
        &self,
    ) -> impl Future<Output = Result<PoolConnection<DB>, sqlx::Error>> + Send + use<DB> {
        let connection = self.connection(Some(Location::caller()));
        async move { connection.await.map(|(connection, _)| connection) }
    }

    /// The same, with what says that its session is in use.
    fn connection(
        &self,
        asked_at: Option<&'static Location<'static>>,
    ) -> impl Future<Output = Result<(PoolConnection<DB>, resolve::Pass), sqlx::Error>> + Send + use<DB>
    {
        resolve::using(self, asked_at, |pool| async move { pool.acquire().await })
    }

    /// A transaction on the pool to use here and now.
    ///
    /// # Errors
    ///
    /// As [`Repo::acquire`], and those of [`Pool::begin`].
    #[track_caller]
    pub fn begin(
        &self,
    ) -> impl Future<Output = Result<Transaction<'static, DB>, sqlx::Error>> + Send + use<DB> {
        let begin = |pool: Pool<DB>| async move { pool.begin().await };
        let using = resolve::using(self, Some(Location::caller()), begin);
        async move { using.await.map(|(transaction, _)| transaction) }
    }

    /// A transaction that is begun with a statement of yours, such as `BEGIN IMMEDIATE`.
    ///
    /// # Errors
    ///
    /// As [`Repo::acquire`], and those of [`Pool::begin_with`].
    #[track_caller]
    pub fn begin_with<S: SqlSafeStr>(
        &self,
        statement: S,
    ) -> impl Future<Output = Result<Transaction<'static, DB>, sqlx::Error>> + Send + use<DB, S>
    {
        let statement = statement.into_sql_str();
        let begin = move |pool: Pool<DB>| {
            let statement = statement.clone();
            async move { pool.begin_with(statement).await }
        };
        let using = resolve::using(self, Some(Location::caller()), begin);
        async move { using.await.map(|(transaction, _)| transaction) }
    }
}

/// Only a pool was asked for, so nothing but heirloom can have refused.
fn own(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Configuration(inner) => match inner.downcast() {
            Ok(own) => *own,
            Err(other) => unreachable!("no database was asked for `{other}`: heirloom's bug"),
        },
        other => unreachable!("no database was asked for `{other}`: heirloom's bug"),
    }
}

impl<DB: Supported> Default for Repo<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB: Supported> fmt::Debug for Repo<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo")
            .field("name", &self.name)
            .field("database", &DB::NAME)
            .field("connected", &self.pool.get().is_some())
            .finish_non_exhaustive()
    }
}
