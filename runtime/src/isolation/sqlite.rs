//! SQLite: every owner gets a private copy of a migrated template, and a real `SqlitePool` on it.

mod copies;
mod run_dir;
mod template;

use super::{Checkin, Fixture, Isolate, Lease, Schema, Tenant, Verdict};
use crate::error::Error;
use copies::Copy;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool};
use std::sync::Arc;
use std::time::Duration;
use template::Template;

/// An owner's private copy and its pool.
#[derive(Debug)]
pub struct SqliteLease {
    pool: SqlitePool,
    copy: Copy,
    template: Arc<Template>,
    tenant: Tenant,
}

impl Isolate for Sqlite {
    type Lease = SqliteLease;

    async fn checkout(tenant: Tenant, schema: &Schema) -> Result<SqliteLease, Error> {
        let template = template::of(schema).await?;
        let copy = Copy::of(&template)?;
        let pool = pool_options().connect_lazy_with(connect_options(&copy));
        Ok(SqliteLease {
            pool,
            copy,
            template,
            tenant,
        })
    }

    async fn schema_hash(schema: &Schema) -> Result<String, Error> {
        Ok(template::of(schema).await?.hash().to_owned())
    }

    async fn run_fixture(pool: &SqlitePool, fixture: Fixture) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(fixture.sql).execute(pool).await.map(drop)
    }
}

/// As `SqlitePoolOptions::new()`, without what only makes sense for a pool that lives long: connections to a local
/// file need no ping before use, and nothing reaps them, so the pool needs no task of its own on the test's runtime.
fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// The copy lasts as long as the test, so nothing waits for the disk: a power cut would lose only a test's data.
fn connect_options(copy: &Copy) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(copy.path())
        .synchronous(SqliteSynchronous::Off)
}

impl Lease for SqliteLease {
    type Database = Sqlite;

    fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    fn schema(&self) -> (&str, &str) {
        (self.template.hash(), self.template.origin())
    }

    async fn checkin(&self, verdict: Verdict, patience: Duration) -> Checkin {
        let mut done = Checkin::default();
        let closed = tokio::time::timeout(patience, self.pool.close()).await;
        if closed.is_err() {
            done.errors.push(Error::StillHeld {
                owner: self.tenant.name.clone(),
                what: format!(
                    "a connection of its pool ({} open) in a thread or on another runtime",
                    self.pool.size()
                ),
                waited: patience,
            });
        }
        if verdict == Verdict::Keep || closed.is_err() {
            self.write_log_back().await;
            match self.copy.keep(&self.tenant) {
                Ok(path) => done.kept = Some(path),
                Err(error) => done.errors.push(error),
            }
        } else {
            done.errors.extend(self.copy.discard(&self.tenant).err());
        }
        done
    }
}

impl SqliteLease {
    /// So that the one file which is named to the person holds everything. A connection that was dropped with the test's
    /// runtime may still be closing, or one may be held: then the log is kept beside the file.
    async fn write_log_back(&self) {
        let options = connect_options(&self.copy);
        if let Ok(mut connection) = SqliteConnection::connect_with(&options).await {
            let checkpoint = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)");
            checkpoint.execute(&mut connection).await.ok();
            connection.close().await.ok();
        }
    }
}
