//! A private database for one owner, cloned from the template: real connections, real commits.

use super::config::{Address, Config};
use super::patience::patiently;
use super::template::{CloneDb, Clones, Purpose, TemplateError, literal};
use super::templates::{self, Known, Ready, refused};
use super::{ask, background, close, pool_options, with_level};
use crate::error::Error;
use crate::isolation::{Closed, Held, Kept, Tenant, Verdict, Wanted, exhausted};
use sqlx::{PgPool, Postgres};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// An owner's own database and a pool on it.
#[derive(Debug)]
pub struct CloneLease {
    pool: PgPool,
    own: Arc<Own>,
    ready: Arc<Ready>,
    tenant: Tenant,
}

impl CloneLease {
    pub(super) async fn open(tenant: Tenant, wanted: Wanted<Postgres>) -> Result<Self, Error> {
        let ready = templates::of(ask(&tenant, &wanted, Purpose::Source)?, &tenant.name).await?;
        let source = Arc::clone(&ready);
        // An owner that is gone by the time it is there has it dropped again.
        let made = background::run(async move { patiently(|| Own::of(&source)).await });
        let own = made.await.map_err(|source| {
            if !ready.is_as_it_is() {
                return refused(&tenant.name, source);
            }
            let database = ready.template().name().to_owned();
            refused(&tenant.name, AsItIs { database, source })
        })?;
        let options = own.config.options(own.clones.is_encrypted());
        Ok(Self {
            pool: pool_options().connect_lazy_with(with_level(options, wanted.level)),
            own: Arc::new(own),
            ready,
            tenant,
        })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn schema(&self) -> &Known {
        self.ready.schema()
    }

    /// What its connections do, if there are any that are not idle. Those that were made with its options outside of
    /// the pool are seen with them only.
    pub(super) async fn in_flight(&self) -> Vec<String> {
        let open = self.pool.size();
        if open as usize <= self.pool.num_idle() || self.pool.is_closed() {
            return Vec::new();
        }
        let looks = self.own.clones.looks();
        let condition = format!("datname = {}", literal(self.own.config.database()));
        looks.in_flight(condition, open, self.tenant.repo).await
    }

    pub(super) fn exhausted(&self) -> Option<Held> {
        exhausted(&self.pool, &self.tenant.name)
    }

    pub(super) fn revoke(&self) {
        // The pool is marked as closed by the call itself; the rest of it is waiting, which `checkin` does.
        drop(self.pool.close());
        self.own.revoked.store(true, Ordering::Relaxed);
        let own = Arc::clone(&self.own);
        background::spawn(async move { own.shut().await });
    }

    pub(super) async fn checkin(&self, verdict: Verdict, patience: Duration) -> Closed {
        let mut done = Closed::default();
        let closed = close(&self.pool, &self.tenant.name, patience).await;
        let is_held = closed.is_err();
        done.errors.extend(closed.err());
        let (own, whom) = (Arc::clone(&self.own), whom(&self.tenant));
        if verdict == Verdict::Keep || is_held {
            match background::run(async move { own.keep(&whom).await }).await {
                Ok(kept) => done.kept = kept,
                Err(error) => done.errors.push(not_kept(&self.tenant, error)),
            }
        } else {
            // Nobody waits for the server to remove it: who comes next has a database of its own.
            background::spawn(async move { own.discard(Some(&whom)).await });
        }
        done
    }
}

/// For whom a database is kept, as its comment says: what a later run of the same test replaces.
fn whom(tenant: &Tenant) -> String {
    let Tenant {
        package,
        repo,
        name,
        ..
    } = tenant;
    format!("{name} (repo {repo}, package {package})")
}

fn not_kept(tenant: &Tenant, error: TemplateError) -> Error {
    Error::Database {
        doing: "keep the database",
        whom: format!("`{}`", tenant.name),
        source: error.into(),
    }
}

/// What a copy of the application's own database takes.
#[derive(Debug, thiserror::Error)]
#[error(
    "database `{database}` is to be cloned as it is (`isolation = \"database\"` without migrations), for which the role has to own it and may create databases, and nobody else may be connected to it\n\n  help: use it in a transaction, `isolation = \"transaction\"`, or name the migrations that make one like it"
)]
struct AsItIs {
    database: String,
    source: TemplateError,
}

/// One database. Dropped, it is removed.
#[derive(Debug)]
struct Own {
    clones: Arc<Clones>,
    config: Config,
    /// Until it is decided what becomes of it: whoever comes first decides.
    clone: Mutex<Option<CloneDb>>,
    revoked: AtomicBool,
    shut: OnceCell<()>,
}

impl Own {
    async fn of(ready: &Ready) -> Result<Self, TemplateError> {
        let clones = ready.clones().await?;
        match Self::one_of(Arc::clone(&clones)).await {
            Err(error) if error.is_fatal() => {
                // The server may have been restarted: then the lock that protects them is gone, too.
                ready.forget_clones(&clones).await;
                Self::one_of(ready.clones().await?).await
            }
            other => other,
        }
    }

    async fn one_of(clones: Arc<Clones>) -> Result<Self, TemplateError> {
        let clone = clones.create().await?;
        Ok(Self {
            clones,
            config: clone.config().clone(),
            clone: Mutex::new(Some(clone)),
            revoked: AtomicBool::new(false),
            shut: OnceCell::new(),
        })
    }

    fn take(&self) -> Option<CloneDb> {
        let mut clone = self.clone.lock().unwrap_or_else(PoisonError::into_inner);
        clone.take()
    }

    /// Throws out whoever is in it and lets nobody in, once.
    async fn shut(&self) {
        let shut = async {
            let name = self.config.database();
            if let Err(error) = self.clones.shut(name).await {
                tracing::error!(target: "heirloom", "cannot take database `{name}` away: {error}");
            }
        };
        self.shut.get_or_init(|| shut).await;
    }

    async fn keep(&self, whom: &str) -> Result<Option<Kept>, TemplateError> {
        let Some(clone) = self.take() else {
            return Ok(None);
        };
        if self.revoked.load(Ordering::Relaxed) {
            self.shut().await;
        }
        let name = self.clones.keep(clone, whom).await?;
        let command = psql(&self.config);
        Ok(Some(Kept::Database { name, command }))
    }

    async fn discard(&self, whom: Option<&str>) {
        if let Some(clone) = self.take() {
            remove(&self.clones, clone, whom).await;
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(clone) = self.take() {
            let clones = Arc::clone(&self.clones);
            background::spawn(async move { remove(&clones, clone, None).await });
        }
    }
}

/// What cannot be removed now is collected by another process.
async fn remove(clones: &Clones, clone: CloneDb, whom: Option<&str>) {
    let name = clone.name().to_owned();
    if let Err(error) = clones.discard(clone, whom).await {
        tracing::warn!(target: "heirloom", "database `{name}` is left behind: {error}");
    }
}

/// What opens it, as it is typed in a shell.
fn psql(config: &Config) -> String {
    let (host, port) = match config.address() {
        Address::Tcp(host, port) => (host.clone(), Some(port.to_string())),
        Address::Unix(socket) => {
            let name = socket.file_name().unwrap_or_default().to_string_lossy();
            let port = name.strip_prefix(".s.PGSQL.").map(str::to_owned);
            let dir = socket.parent().unwrap_or(socket);
            (dir.display().to_string(), port)
        }
    };
    let port = port.map_or_else(String::new, |port| format!(" -p {port}"));
    let (host, user) = (quoted(&host), quoted(config.user()));
    format!(
        "psql -h {host}{port} -U {user} {}",
        quoted(config.database())
    )
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_-./:".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
