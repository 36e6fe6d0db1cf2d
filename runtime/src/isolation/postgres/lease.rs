//! An owner's virtual server and a real pool on it.

use super::hub::{Hub, Identity};
use super::pool::{self, Slot, Who};
use super::sockets::Sockets;
use super::template::Purpose;
use super::templates::{self, Known, Ready};
use super::{ask, background, close, pool_options};
use crate::clock::Clock;
use crate::error::Error;
use crate::isolation::{Closed, Held, IsolationLevel, Tenant, Verdict, Wanted, dir, exhausted};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{PgPool, Postgres};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// An owner's session, and a pool of virtual connections to it.
#[derive(Debug)]
pub struct VirtualLease {
    pool: PgPool,
    hub: Arc<Hub>,
    ready: Arc<Ready>,
    tenant: Tenant,
    sockets: Arc<Sockets>,
    /// Until the session is given back.
    slot: Mutex<Option<Slot>>,
    /// For those who cannot wait for the test's own runtime: the number of a socket that the background serves.
    elsewhere: OnceCell<u16>,
}

impl VirtualLease {
    pub(super) async fn open(tenant: Tenant, wanted: Wanted<Postgres>) -> Result<Self, Error> {
        let ask = ask(&tenant, &wanted, Purpose::Sessions)?;
        let ready = templates::of(ask, &tenant.name).await?;
        let sockets = Sockets::current()?;
        let session = pool::take(&ready, Who::of(&tenant, &wanted)).await?;
        let identity = Identity {
            owner: tenant.name.clone(),
            token: tenant.token.clone(),
            database: ready.config().database().to_owned(),
            config: ready.config().clone(),
            clock: wanted.clock.clone(),
        };
        let (number, path) = sockets.free();
        let (parked, slot) = session.into_parts();
        let (level, asked) = (level_sql(wanted.level), path.clone());
        let here = wanted.here;
        let open = move || async move {
            let hub = Hub::open(parked, identity, level)?;
            hub.listen(&asked)?;
            std::io::Result::Ok(hub)
        };
        // A paused clock has to see what the virtual server waits for, so that is served by the runtime with this clock.
        let paused = wanted.clock.as_ref().and_then(Clock::home);
        let hub = if here {
            open().await
        } else if let Some(home) = &paused {
            on(home, open()).await
        } else {
            background::run(async move { open().await }).await
        };
        let hub = hub.map_err(|source| dir::files("listen at", &path, source))?;
        let lease = Self {
            pool: pool_options().connect_lazy_with(options(
                &sockets,
                number,
                &tenant.token,
                &ready,
            )),
            hub: Arc::new(hub),
            ready,
            tenant,
            sockets,
            slot: Mutex::new(Some(slot)),
            elsewhere: OnceCell::new(),
        };
        if !here && paused.is_none() {
            lease.elsewhere.set(number).ok();
        }
        Ok(lease)
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn schema(&self) -> &Known {
        self.ready.schema()
    }

    /// For other drivers and processes: served by the background, whatever the test's own threads do.
    pub(super) async fn url(&self) -> Result<String, Error> {
        let listen = || async {
            let (number, path) = self.sockets.free();
            let (hub, asked) = (Arc::clone(&self.hub), path.clone());
            let listening = background::run(async move { hub.listen(&asked) }).await;
            listening.map_err(|source| dir::files("listen at", &path, source))?;
            Ok(number)
        };
        let number = *self.elsewhere.get_or_try_init(listen).await?;
        self.hub.is_told(&self.sockets.path(number));
        let (dir, database) = (self.sockets.dir(), self.ready.config().database());
        Ok(format!(
            "postgres://{}@{}:{number}/{}?sslmode=disable",
            self.tenant.token,
            encoded(&dir.display().to_string()),
            encoded(database)
        ))
    }

    pub(super) fn in_flight(&self) -> Vec<String> {
        self.hub.in_flight(self.tenant.repo)
    }

    /// What is held of its own pool.
    pub(super) fn exhausted(&self) -> Option<Held> {
        let mut held = exhausted(&self.pool, &self.tenant.name)?;
        held.holders = self.hub.at_rest(self.tenant.repo);
        Some(held)
    }

    fn why(&self) -> String {
        let Tenant { name, repo, .. } = &self.tenant;
        format!(
            "the session of test `{name}` on repo `{repo}` has ended: the test is over, or it was taken away"
        )
    }

    pub(super) fn revoke(&self) {
        // The pool is marked as closed by the call itself; the rest of it is waiting, which `checkin` does.
        drop(self.pool.close());
        self.hub.revoke(&self.why());
    }

    pub(super) async fn checkin(&self, verdict: Verdict, patience: Duration) -> Closed {
        let mut done = Closed::default();
        let name = &self.tenant.name;
        // Whoever holds a connection is told by the virtual server that it has ended.
        let closed = close(&self.pool, name, patience).await;
        done.errors.extend(closed.err());
        let left = self.hub.close(&self.why(), patience).await;
        let slot = self
            .slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Some(session), Some(slot)) = (left.session, slot) {
            match verdict {
                Verdict::RollBack => slot.roll_back(session, patience).await,
                Verdict::Discard | Verdict::Keep => slot.give_back(session),
            }
        }
        if !left.journal.is_empty() {
            done.errors.push(Error::Diverged {
                owner: name.clone(),
                repo: self.tenant.repo,
                what: listed(&left.journal),
            });
        }
        if verdict == Verdict::Keep {
            done.hints.extend(left.hints);
        }
        done
    }
}

/// Does the work on another runtime.
async fn on<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let done = runtime.spawn(work).await;
    done.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

/// For the application's own pool: on the test's runtime, if there is one.
fn options(sockets: &Sockets, number: u16, token: &str, ready: &Ready) -> PgConnectOptions {
    // Made once, as it looks for sockets in the usual places.
    static PLAIN: LazyLock<PgConnectOptions> = LazyLock::new(PgConnectOptions::new_without_pgpass);
    PLAIN
        .clone()
        .socket(sockets.dir())
        .port(number)
        .username(token)
        .database(ready.config().database())
        .ssl_mode(PgSslMode::Disable)
}

/// A line for each, but not for all of very many.
fn listed(journal: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<_> = journal.iter().take(SHOWN).cloned().collect();
    if let Some(more) = journal.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n  ")
}

/// As a part of a URL. A directory in the place of a host is what every driver takes for that of a socket.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes text");
        }
    }
    encoded
}

/// The level of the session's own transaction.
fn level_sql(level: Option<IsolationLevel>) -> Option<&'static str> {
    Some(match level? {
        IsolationLevel::ReadUncommitted | IsolationLevel::ReadCommitted => "READ COMMITTED",
        IsolationLevel::RepeatableRead => "REPEATABLE READ",
        IsolationLevel::Serializable => "SERIALIZABLE",
    })
}
