//! In production a repo is its pool.

use super::Repo;
use crate::error::Error;
use sqlx::Pool;
use std::future::{Future, ready};
use std::panic::Location;

/// A database that [`Repo`] supports.
pub trait Supported: sqlx::Database {}

#[cfg(feature = "sqlite")]
impl Supported for sqlx::Sqlite {}

pub(super) fn owner_is_current() -> bool {
    false
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

pub(super) fn enter<DB: Supported>(
    repo: &Repo<DB>,
    _: Option<&'static Location<'static>>,
) -> impl Future<Output = Result<(Pool<DB>, Pass), Error>> + Send + use<DB> {
    let pool = repo.pool.get().cloned();
    let pool = pool.ok_or(Error::NotConnected { repo: repo.name });
    ready(pool.map(|pool| (pool, Pass)))
}
