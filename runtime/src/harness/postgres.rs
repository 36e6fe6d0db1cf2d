//! A test's PostgreSQL database as an argument.

use super::sandbox::{FromSandbox, Sandbox};
use crate::error::BoxError;
use crate::repo::{Wish, enter_session};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{PgPool, Postgres};

/// The test's own pool, the one that `Repo::new()` resolves to.
impl FromSandbox for PgPool {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let wish = Wish::<Postgres>::of_argument();
        Ok(enter_session(sandbox.owner().clone(), &wish).await?.0)
    }
}

/// One connection of the test's own pool.
impl FromSandbox for PoolConnection<Postgres> {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.get::<PgPool>().await?.acquire().await?)
    }
}

/// What the test's own pool is made with, to make one with other options on the same database.
impl FromSandbox for PgPoolOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.get::<PgPool>().await?.options().clone())
    }
}

/// Where the test's own database is.
impl FromSandbox for PgConnectOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool = sandbox.get::<PgPool>().await?;
        Ok(pool.connect_options().as_ref().clone())
    }
}

/// Both, for a pool of one's own.
impl FromSandbox for (PgPoolOptions, PgConnectOptions) {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok((sandbox.get().await?, sandbox.get().await?))
    }
}

/// A listener on the test's own database, connected as its pool is.
impl FromSandbox for PgListener {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool = sandbox.get::<PgPool>().await?;
        Ok(Self::connect_with(&pool).await?)
    }
}
