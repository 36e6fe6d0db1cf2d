//! A test's SQLite database as an argument.

use super::sandbox::{FromSandbox, Sandbox};
use crate::error::BoxError;
use crate::repo::{Wish, enter_session};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};

/// The test's own pool, the one that `Repo::new()` resolves to.
impl FromSandbox for SqlitePool {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let wish = Wish::<Sqlite>::of_argument();
        Ok(enter_session(sandbox.owner().clone(), &wish).await?.0)
    }
}

/// One connection of the test's own pool.
impl FromSandbox for PoolConnection<Sqlite> {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.get::<SqlitePool>().await?.acquire().await?)
    }
}

/// What the test's own pool is made with, to make one with other options on the same database.
impl FromSandbox for SqlitePoolOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.get::<SqlitePool>().await?.options().clone())
    }
}

/// Where the test's own database is.
impl FromSandbox for SqliteConnectOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool = sandbox.get::<SqlitePool>().await?;
        Ok(pool.connect_options().as_ref().clone())
    }
}

/// Both, for a pool of one's own.
impl FromSandbox for (SqlitePoolOptions, SqliteConnectOptions) {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok((sandbox.get().await?, sandbox.get().await?))
    }
}
