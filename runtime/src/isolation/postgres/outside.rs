//! Outside the sandbox: the application's own pool, or one on its own database. What is committed stays.

use super::config::Config;
use super::looks::Looks;
use super::patience::patiently;
use super::templates::{self, Known, refused};
use super::upstream::{ConnectError, Upstream};
use super::{background, close, pool_options, variables, with_level};
use crate::error::{BoxError, Error};
use crate::isolation::{Closed, Held, IsolationLevel, Tenant, Wanted, exhausted};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A pool with nothing around it.
#[derive(Debug)]
pub struct OutsideLease {
    pool: PgPool,
    /// How to stop its statements; `None` if the repo was given it: then it is the application's to close.
    own: Option<Own>,
    schema: Arc<Known>,
    owner: String,
    repo: &'static str,
}

impl OutsideLease {
    /// The pool that the repo was given, else one on the application's database, never on a template of it. Migrations are
    /// the application's own business there.
    pub(super) async fn open(tenant: Tenant, wanted: Wanted<Postgres>) -> Result<Self, Error> {
        let schema = templates::schema(&wanted.schema).await?;
        let (pool, own) = match wanted.given {
            Some(pool) => (pool, None),
            None => connect(&tenant, wanted.level).await?,
        };
        Ok(Self {
            pool,
            own,
            schema,
            owner: tenant.name,
            repo: tenant.repo,
        })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn schema(&self) -> &Known {
        &self.schema
    }

    /// What its connections do, if there are any that are not idle. Of the application's own pool nothing is known: it is
    /// not this owner's alone.
    pub(super) async fn in_flight(&self) -> Vec<String> {
        let open = self.pool.size();
        let Some(own) = &self.own else {
            return Vec::new();
        };
        if open as usize <= self.pool.num_idle() || self.pool.is_closed() {
            return Vec::new();
        }
        let names = lock(&own.sessions).clone().unwrap_or_default();
        let condition = format!("{NAME} IN ('{}')", names.join("', '"));
        own.looks.in_flight(condition, open, self.repo).await
    }

    /// The application's own pool may be held by anybody.
    pub(super) fn exhausted(&self) -> Option<Held> {
        self.own.as_ref()?;
        exhausted(&self.pool, &self.owner)
    }

    pub(super) fn revoke(&self) {
        if let Some(own) = &self.own {
            // The pool is marked as closed by the call itself; the rest of it is waiting, which `checkin` does.
            drop(self.pool.close());
            let own = own.clone();
            background::spawn(async move { own.end_sessions().await });
        }
    }

    pub(super) async fn checkin(&self, patience: Duration) -> Closed {
        let mut done = Closed::default();
        if self.own.is_some() {
            done.errors
                .extend(close(&self.pool, &self.owner, patience).await.err());
        }
        done
    }
}

/// The server's names of a pool's sessions: process and start, as a process's number is used again. `None` once they are
/// to end.
type Sessions = Arc<Mutex<Option<Vec<String>>>>;

/// A pool of ours.
#[derive(Clone, Debug)]
struct Own {
    config: Config,
    sessions: Sessions,
    looks: Arc<Looks>,
}

/// Logged in once by our own means first, which tell what is wrong and whether the server encrypts.
async fn connect(
    tenant: &Tenant,
    level: Option<IsolationLevel>,
) -> Result<(PgPool, Option<Own>), Error> {
    let config = variables::config_of(tenant)?;
    let login = config.clone();
    let tried = background::run(async move {
        let session = patiently(|| Upstream::connect(&login)).await?;
        let encrypted = session.is_encrypted();
        session.close().await;
        Ok(encrypted)
    });
    let encrypted = tried
        .await
        .map_err(|error: ConnectError| refused(&tenant.name, error))?;
    let sessions: Sessions = Arc::new(Mutex::new(Some(Vec::new())));
    let options = with_level(config.options(encrypted), level);
    let pool = enrolled(Arc::clone(&sessions)).connect_lazy_with(options);
    let looks = Arc::new(Looks::of(config.clone()));
    Ok((
        pool,
        Some(Own {
            config,
            sessions,
            looks,
        }),
    ))
}

/// Every session of the pool is known by its name before anybody uses it.
fn enrolled(sessions: Sessions) -> PgPoolOptions {
    pool_options().after_connect(move |connection, _| {
        let sessions = Arc::clone(&sessions);
        Box::pin(async move {
            let sql = format!("SELECT {NAME} FROM pg_stat_activity WHERE pid = pg_backend_pid()");
            let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection);
            let name: String = row.await?.try_get(0)?;
            match &mut *lock(&sessions) {
                Some(sessions) => sessions.push(name),
                None => return Err(sqlx::Error::PoolClosed),
            }
            Ok(())
        })
    })
}

const NAME: &str = "format('%s %s', pid, extract(epoch FROM backend_start))";

impl Own {
    /// Ends what its sessions are doing, and them; nobody gets a new one.
    async fn end_sessions(&self) {
        let Some(names) = lock(&self.sessions)
            .take()
            .filter(|names| !names.is_empty())
        else {
            return;
        };
        let names = names.join("', '");
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {NAME} IN ('{names}')"
        );
        let ended = async {
            let mut session = Upstream::connect(&self.config).await?;
            session.simple(&sql).await?;
            session.close().await;
            Ok::<_, BoxError>(())
        };
        if let Err(error) = ended.await {
            tracing::error!(target: "heirloom", "cannot end sessions that were taken away: {error}");
        }
    }
}

fn lock(sessions: &Sessions) -> MutexGuard<'_, Option<Vec<String>>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
