//! PostgreSQL: every owner gets one session whose transaction is never committed, and the application any number of
//! virtual connections to it; or a private database, cloned from the template.

mod background;
mod cloned;
mod config;
mod frame;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod hub;
mod kernel;
mod lease;
mod libpq;
mod looks;
mod once;
mod outside;
mod patience;
mod pool;
mod session;
mod settings;
mod sockets;
mod sql;
mod stack;
mod template;
mod templates;
mod upstream;
mod variables;

use super::{
    Closed, Fixture, Held, Isolate, Isolation, IsolationLevel, Lease, Schema, Tenant, Verdict,
    Wanted,
};
use crate::error::Error;
use cloned::CloneLease;
use config::Config;
use lease::VirtualLease;
pub(crate) use libpq::libpq_variables;
use outside::OutsideLease;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool, Postgres};
use std::time::Duration;
use template::Purpose;
use templates::Ask;

/// An owner's session and its pool.
#[derive(Debug)]
pub enum PgLease {
    /// A session inside a transaction that is never committed.
    Virtual(Box<VirtualLease>),
    /// A private database, cloned for this owner.
    Clone(CloneLease),
    /// Outside the sandbox.
    Outside(Box<OutsideLease>),
}

impl Isolate for Postgres {
    type Lease = PgLease;

    /// Boxed, as it is many futures deep, and the test's own is around it.
    async fn checkout(tenant: Tenant, wanted: Wanted<Self>) -> Result<PgLease, Error> {
        if !wanted.sandbox {
            let outside = Box::pin(OutsideLease::open(tenant, wanted)).await?;
            return Ok(PgLease::Outside(Box::new(outside)));
        }
        match wanted.isolation.unwrap_or(Isolation::Transaction) {
            Isolation::Transaction => {
                let lease = Box::pin(VirtualLease::open(tenant, wanted)).await?;
                Ok(PgLease::Virtual(Box::new(lease)))
            }
            Isolation::Database => {
                let clone = Box::pin(CloneLease::open(tenant, wanted)).await?;
                Ok(PgLease::Clone(clone))
            }
        }
    }

    async fn schema_hash(schema: &Schema) -> Result<String, Error> {
        Ok(Box::pin(templates::schema(schema)).await?.hash().to_owned())
    }

    async fn run_fixture(pool: &PgPool, fixture: Fixture) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(fixture.sql).execute(pool).await.map(drop)
    }
}

/// The database that a tenant's session starts from.
fn ask(tenant: &Tenant, wanted: &Wanted<Postgres>, purpose: Purpose) -> Result<Ask, Error> {
    Ok(Ask {
        config: config_of(tenant, wanted.given.as_ref())?,
        schema: wanted.schema.clone(),
        extensions: Vec::new(),
        purpose,
    })
}

/// Where its server is: as the environment says; else where the application's own pool is, as of a server that was told
/// otherwise.
fn config_of(tenant: &Tenant, given: Option<&PgPool>) -> Result<Config, Error> {
    match (variables::config_of(tenant), given) {
        (Err(Error::NoDatabaseUrl { .. }), Some(pool)) => Ok(Config::from(
            PgConnectOptions::clone(&pool.connect_options()),
        )),
        (said, _) => said,
    }
}

impl Lease for PgLease {
    type Handle = PgPool;

    fn handle(&self) -> &PgPool {
        match self {
            Self::Virtual(lease) => lease.pool(),
            Self::Clone(clone) => clone.pool(),
            Self::Outside(outside) => outside.pool(),
        }
    }

    fn schema(&self) -> (&str, &str) {
        let known = match self {
            Self::Virtual(lease) => lease.schema(),
            Self::Clone(clone) => clone.schema(),
            Self::Outside(outside) => outside.schema(),
        };
        (known.hash(), known.origin())
    }

    async fn url(&self) -> Result<String, Error> {
        match self {
            Self::Virtual(lease) => lease.url().await,
            Self::Clone(_) | Self::Outside(_) => {
                Ok(self.handle().connect_options().to_url_lossy().into())
            }
        }
    }

    fn connections(&self) -> (u32, usize) {
        let pool = self.handle();
        (pool.size(), pool.num_idle())
    }

    async fn in_flight(&self) -> Vec<String> {
        match self {
            Self::Virtual(lease) => lease.in_flight(),
            Self::Clone(clone) => clone.in_flight().await,
            Self::Outside(outside) => outside.in_flight().await,
        }
    }

    fn held(&self, error: &sqlx::Error) -> Option<Held> {
        match (error, self) {
            (sqlx::Error::PoolTimedOut, Self::Virtual(lease)) => lease.exhausted(),
            (sqlx::Error::PoolTimedOut, Self::Clone(clone)) => clone.exhausted(),
            (sqlx::Error::PoolTimedOut, Self::Outside(outside)) => outside.exhausted(),
            _ => None,
        }
    }

    fn revoke(&self) {
        match self {
            Self::Virtual(lease) => lease.revoke(),
            Self::Clone(clone) => clone.revoke(),
            Self::Outside(outside) => outside.revoke(),
        }
    }

    async fn checkin(&self, verdict: Verdict, patience: Duration) -> Closed {
        match self {
            Self::Virtual(lease) => Box::pin(lease.checkin(verdict, patience)).await,
            Self::Clone(clone) => Box::pin(clone.checkin(verdict, patience)).await,
            Self::Outside(outside) => Box::pin(outside.checkin(patience)).await,
        }
    }
}

/// As `PgPoolOptions::new()`, without what only makes sense for a pool that lives long: connections that are a test's own
/// need no ping before use, and nothing reaps them, so the pool needs no task of its own on the test's runtime.
fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new()
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// The level of the session's transactions, where nothing else is said.
fn with_level(options: PgConnectOptions, level: Option<IsolationLevel>) -> PgConnectOptions {
    let Some(level) = level else {
        return options;
    };
    let level = match level {
        IsolationLevel::ReadUncommitted => "read uncommitted",
        IsolationLevel::ReadCommitted => "read committed",
        IsolationLevel::RepeatableRead => "repeatable read",
        IsolationLevel::Serializable => "serializable",
    };
    options.options([("default_transaction_isolation", level)])
}

/// Closes an owner's pool. An error if somebody holds a connection for longer than this.
async fn close(pool: &PgPool, owner: &str, patience: Duration) -> Result<(), Error> {
    let closed = tokio::time::timeout(patience, pool.close()).await;
    closed.map_err(|_| {
        let open = pool.size();
        let what = format!(
            "a connection of its pool ({open} open) in a task, a thread or on another runtime"
        );
        Error::still_held(owner, what, patience)
    })
}
