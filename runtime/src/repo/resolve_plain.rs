//! In production a repo is its pool.

use super::{OrphanPolicy, Repo};
use crate::error::Error;
use sqlx::Pool;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

/// A database that [`Repo`] supports.
pub trait Supported: sqlx::Database {}

#[cfg(feature = "postgres")]
impl Supported for sqlx::Postgres {}

#[cfg(feature = "sqlite")]
impl Supported for sqlx::Sqlite {}

pub(super) fn owner_is_current() -> bool {
    false
}

/// What a repo says of itself for tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config;

impl Config {
    pub(super) const DEFAULT: Self = Self;

    pub(super) const fn with_limit(self, _: Duration) -> Self {
        self
    }

    pub(super) const fn with_orphans(self, _: OrphanPolicy) -> Self {
        self
    }
}

/// What keeps a session in use in tests.
pub(super) struct Pass;

impl Pass {
    /// Nobody takes a pool away.
    #[expect(clippy::unused_self, reason = "in tests it knows the session")]
    pub(super) fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        error
    }
}

pub(super) fn using<DB, T, F, Fut>(
    repo: &Repo<DB>,
    _: Option<&'static Location<'static>>,
    job: F,
) -> impl Future<Output = Result<(T, Pass), sqlx::Error>> + Send + use<DB, T, F, Fut>
where
    DB: Supported,
    T: Send,
    F: Fn(Pool<DB>) -> Fut + Send,
    Fut: Future<Output = Result<T, sqlx::Error>> + Send,
{
    let pool = repo.pool.get().cloned();
    let pool = pool.ok_or(Error::NotConnected { repo: repo.name });
    async move { Ok((job(pool?).await?, Pass)) }
}
