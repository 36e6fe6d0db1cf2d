//! A test's PostgreSQL database as an argument of sqlx 0.8's types, for an application that is on that version.

use super::sandbox::{FromSandbox, Sandbox};
use crate::error::BoxError;
use sqlx::ConnectOptions as _;
use sqlx_0_8::pool::PoolConnection;
use sqlx_0_8::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx_0_8::{PgPool, Postgres};

/// A pool on the test's own database. Each is a new one; all of them, and those of sqlx 0.9, have the one session.
impl FromSandbox for PgPool {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let (pool, connect): (PgPoolOptions, PgConnectOptions) = sandbox.get().await?;
        Ok(pool.connect_lazy_with(connect))
    }
}

/// One connection to the test's own database.
impl FromSandbox for PoolConnection<Postgres> {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(sandbox.get::<PgPool>().await?.acquire().await?)
    }
}

/// What heirloom's own pools are made with, as far as both versions know it.
impl FromSandbox for PgPoolOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let own: sqlx::postgres::PgPoolOptions = sandbox.get().await?;
        Ok(Self::new()
            .max_connections(own.get_max_connections())
            .acquire_timeout(own.get_acquire_timeout())
            .test_before_acquire(own.get_test_before_acquire())
            .idle_timeout(own.get_idle_timeout())
            .max_lifetime(own.get_max_lifetime()))
    }
}

/// Where the test's own database is.
impl FromSandbox for PgConnectOptions {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let own: sqlx::postgres::PgConnectOptions = sandbox.get().await?;
        let mut url = own.to_url_lossy();
        // What sqlx leaves out of its URLs.
        let left_out = [
            ("options", own.get_options()),
            ("application_name", own.get_application_name()),
        ];
        for (name, value) in left_out {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url.as_str().parse()?)
    }
}

/// Both, for a pool of one's own.
impl FromSandbox for (PgPoolOptions, PgConnectOptions) {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok((sandbox.get().await?, sandbox.get().await?))
    }
}

/// A listener on the test's own database.
impl FromSandbox for PgListener {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool = sandbox.get::<PgPool>().await?;
        Ok(Self::connect_with(&pool).await?)
    }
}
