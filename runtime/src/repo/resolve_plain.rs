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

pub(super) fn pool<DB: Supported>(
    repo: &Repo<DB>,
    _: Option<&'static Location<'static>>,
) -> impl Future<Output = Result<Pool<DB>, Error>> + Send + use<DB> {
    let pool = repo.pool.get().cloned();
    ready(pool.ok_or(Error::NotConnected { repo: repo.name }))
}
