//! SQLite: every owner gets a private copy of a migrated template, and a real `SqlitePool` on it.

mod copies;
mod run_dir;
mod template;
mod workers;
mod writers;

use super::{
    Closed, Fixture, Held, Isolate, Isolation, Kept, Lease, Schema, Tenant, Verdict, Wanted,
    exhausted,
};
use crate::error::Error;
use copies::Copy;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions as _, Connection as _, Database as _, Sqlite, SqliteConnection, SqlitePool,
};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use template::Template;
use workers::Workers;
use writers::Writers;

/// An owner's database and its pool.
#[derive(Debug)]
pub struct SqliteLease {
    pool: SqlitePool,
    data: Data,
    template: Arc<Template>,
    tenant: Tenant,
    revoked: Arc<AtomicBool>,
    workers: Workers,
    writers: Writers,
}

/// What the pool is on.
#[derive(Debug)]
enum Data {
    /// A private copy.
    Own(Copy),
    /// Outside the sandbox: a file that every such owner of the process uses.
    Common,
    /// Outside the sandbox: the application's own pool.
    Given,
}

impl Isolate for Sqlite {
    type Lease = SqliteLease;

    /// SQLite's transactions are serializable, which is at least what any level asks for.
    async fn checkout(tenant: Tenant, wanted: Wanted<Self>) -> Result<SqliteLease, Error> {
        if wanted.sandbox && wanted.isolation == Some(Isolation::Transaction) {
            return Err(Error::NoIsolation {
                owner: tenant.name,
                repo: tenant.repo,
                database: Self::NAME,
                asked: Isolation::Transaction,
                help: "leave `isolation` out: on SQLite a session has a copy of the database, which is as private and may commit",
            });
        }
        let template = template::of(&wanted.schema).await?;
        let revoked = Arc::new(AtomicBool::new(false));
        let (workers, writers) = (Workers::default(), Writers::default());
        let open = |path: &Path| {
            let names = workers.clone();
            let options = connect_options(path).thread_name(move |_| names.name());
            pool_options(&revoked, &writers, &workers).connect_lazy_with(options)
        };
        let (data, pool) = match (wanted.sandbox, wanted.given) {
            (true, _) => {
                let copy = Copy::of(&template)?;
                let pool = open(copy.path());
                (Data::Own(copy), pool)
            }
            (false, Some(given)) => (Data::Given, given),
            (false, None) => {
                let path = copies::common(&template, tenant.repo)?;
                (Data::Common, open(&path))
            }
        };
        Ok(SqliteLease {
            pool,
            data,
            template,
            tenant,
            revoked,
            workers,
            writers,
        })
    }

    async fn schema_hash(schema: &Schema) -> Result<String, Error> {
        Ok(template::of(schema).await?.hash().to_owned())
    }

    async fn run_fixture(pool: &SqlitePool, fixture: Fixture) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(fixture.sql).execute(pool).await.map(drop)
    }
}

/// How many steps of SQLite's virtual machine a statement takes before it is looked whether its session is still its
/// owner's: some microseconds.
const STEPS: i32 = 1_000;

/// As `SqlitePoolOptions::new()`, without what only makes sense for a pool that lives long: connections to a local
/// file need no ping before use, and nothing reaps them, so the pool needs no task of its own on the test's runtime.
fn pool_options(
    revoked: &Arc<AtomicBool>,
    writers: &Writers,
    workers: &Workers,
) -> SqlitePoolOptions {
    let (revoked, writers) = (Arc::clone(revoked), writers.clone());
    let users = workers.users().clone();
    let (connected, taken) = (users.clone(), users.clone());
    SqlitePoolOptions::new()
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let (running, committing) = (Arc::clone(&revoked), Arc::clone(&revoked));
            let (writer, users) = (writers.another(), connected.clone());
            Box::pin(async move {
                let mut handle = connection.lock_handle().await?;
                handle.set_progress_handler(STEPS, move || !running.load(Ordering::Relaxed));
                let (commits, rolls_back) = (Arc::clone(&writer), Arc::clone(&writer));
                handle.set_update_hook(move |write| writer.writes(write.table));
                handle.set_commit_hook(move || {
                    commits.ends();
                    !committing.load(Ordering::Relaxed)
                });
                handle.set_rollback_hook(move || rolls_back.ends());
                users.take();
                Ok(())
            })
        })
        .before_acquire(move |_, _| {
            taken.take();
            Box::pin(async { Ok(true) })
        })
        .after_release(move |_, _| {
            users.leave();
            Box::pin(async { Ok(true) })
        })
}

/// The copy lasts as long as the test, so nothing waits for the disk: a power cut would lose only a test's data.
fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Off)
}

impl Lease for SqliteLease {
    type Handle = SqlitePool;

    fn handle(&self) -> &SqlitePool {
        &self.pool
    }

    fn schema(&self) -> (&str, &str) {
        (self.template.hash(), self.template.origin())
    }

    async fn url(&self) -> Result<String, Error> {
        let options = self.pool.connect_options();
        Ok(options.to_url_lossy().into())
    }

    fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Of the application's own pool nothing is known: its connections are not made here, and not for this owner alone.
    async fn in_flight(&self) -> Vec<String> {
        let calls = self.workers.in_flight(self.tenant.repo, self.pool.size());
        calls.unwrap_or_else(|| self.held())
    }

    fn held(&self, error: &sqlx::Error) -> Option<Held> {
        let owner = &self.tenant.name;
        match (error, &self.data) {
            (sqlx::Error::PoolTimedOut, Data::Own(_) | Data::Common) => {
                let mut held = exhausted(&self.pool, owner)?;
                held.holders = self.writers.now(self.tenant.repo);
                Some(held)
            }
            // Nobody else has a connection to it, and only one of them can have written.
            (sqlx::Error::Database(error), Data::Own(_)) if writers::is_busy(error.as_ref()) => {
                let holders = self.writers.now(self.tenant.repo);
                (!holders.is_empty()).then(|| Held {
                    what: format!("another connection of test `{owner}` itself has written to it and not committed"),
                    holders,
                    help: "commit or drop that transaction before awaiting a task that writes, or hand it to the task",
                })
            }
            _ => None,
        }
    }

    fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
        if !matches!(self.data, Data::Given) {
            // The pool is marked as closed by the call itself; the rest of it is waiting, which `checkin` does.
            drop(self.pool.close());
        }
    }

    async fn checkin(&self, verdict: Verdict, patience: Duration) -> Closed {
        let mut done = Closed::default();
        if matches!(self.data, Data::Given) {
            return done;
        }
        let closed = tokio::time::timeout(patience, self.pool.close()).await;
        if closed.is_err() {
            // Whoever holds it shall not go on for ever.
            self.revoked.store(true, Ordering::Relaxed);
            let what = format!(
                "a connection of its pool ({} open) in a task, a thread or on another runtime",
                self.pool.size()
            );
            let owner = &self.tenant.name;
            done.errors.push(Error::still_held(owner, what, patience));
        }
        if verdict == Verdict::Keep {
            done.hints.extend(self.writers.hint().map(Cow::Owned));
        }
        let Data::Own(copy) = &self.data else {
            return done;
        };
        if verdict == Verdict::Keep || closed.is_err() {
            write_log_back(copy).await;
            match copy.keep(&self.tenant) {
                Ok(path) => done.kept = path.map(Kept::File),
                Err(error) => done.errors.push(error),
            }
        } else {
            done.errors.extend(copy.discard(&self.tenant).err());
        }
        done
    }
}

impl SqliteLease {
    /// What may be under way, where nobody can tell what is: every connection that is not idle.
    fn held(&self) -> Vec<String> {
        let (open, idle) = self.connections();
        let repo = self.tenant.repo;
        let held = (open as usize).saturating_sub(idle);
        let line = format!("a connection of repo `{repo}` is in use");
        std::iter::repeat_n(line, held).collect()
    }
}

/// So that the one file which is named to the person holds everything. A connection that was dropped with the test's
/// runtime may still be closing, or one may be held: then the log is kept beside the file.
async fn write_log_back(copy: &Copy) {
    let options = connect_options(copy.path());
    if let Ok(mut connection) = SqliteConnection::connect_with(&options).await {
        let checkpoint = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)");
        checkpoint.execute(&mut connection).await.ok();
        connection.close().await.ok();
    }
}
