//! A physical session: its transaction is open from the start and never committed.

mod cache;
mod link;
mod wire;

pub(crate) use cache::{Cache, Key, Prepared};
pub(crate) use link::Lost;

use super::settings::{self, Settings};
use super::upstream::{Canceller, Parts, QueryError, StdStream, Stream, Upstream};
use crate::clock::Clock;
use link::Link;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a statement may run on when its test has ended, before it is cancelled.
pub(crate) const FINISH: Duration = Duration::from_millis(50);

/// What drivers set at the start of every connection. None of it is about transactions or rights, so that the session's
/// own statements are the same whatever it is.
const HARMLESS: [&[u8]; 6] = [
    b"application_name",
    b"client_encoding",
    b"datestyle",
    b"extra_float_digits",
    b"intervalstyle",
    b"timezone",
];

/// What connections may begin with, and what they are told then.
pub(crate) type Accepted = HashMap<Vec<u8>, Arc<BTreeMap<String, String>>>;

/// Names of constraints.
pub(crate) type Deferred = Arc<[String]>;

/// A session with the server, in its transaction.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    canceller: Canceller,
    pub(crate) cache: Cache,
    /// What is set now, beyond what the session began with.
    pub(crate) applied: Settings,
    /// What of it is set for good, so that no rollback reverts it; and what shall be from the next owner on.
    base: Settings,
    usual: Settings,
    /// Settings that the server has accepted, and what it says of itself then.
    pub(crate) accepted: Accepted,
    /// The constraints that are deferred initially, as `SET CONSTRAINTS` takes them; `None` is not known.
    pub(crate) deferred: Option<Deferred>,
    /// Something happened that no rollback reverts.
    pub(crate) spoilt: bool,
    /// Whether it took names that only DEALLOCATE frees.
    pub(crate) prepared_by_sql: bool,
    home: tokio::runtime::Id,
}

/// A session of no runtime.
#[derive(Debug)]
pub(crate) struct Parked {
    parts: Parts<StdStream>,
    rest: Rest,
}

/// What of a session is not its socket.
#[derive(Debug)]
struct Rest {
    cache: Cache,
    accepted: Accepted,
    deferred: Option<Deferred>,
    base: Settings,
}

impl Session {
    /// Opens the transaction, on a login that has done nothing yet.
    ///
    /// # Cancel safety
    ///
    /// None: the login is of no use then.
    pub(crate) async fn start(mut upstream: Upstream) -> Result<Self, QueryError> {
        let own = settings::OWN.map(|(_, statement)| String::from_utf8_lossy(statement));
        let mut sql = own.join(";");
        // Since 17 there is a limit for whole transactions as well.
        if major_version(upstream.parameters()) >= 17 {
            sql.push_str(";SET transaction_timeout = 0");
        }
        upstream.simple(&sql).await?;
        upstream.simple(&reset_sql(false, &[])).await?;
        let rest = Rest {
            cache: Cache::default(),
            accepted: Accepted::new(),
            deferred: None,
            base: Settings::default(),
        };
        let mut session = Self::of(upstream.into_parts(), rest);
        session.prepare_guard();
        session.drain().await.map_err(QueryError::from)?;
        Ok(session)
    }

    fn of(parts: Parts<Stream>, rest: Rest) -> Self {
        let Rest {
            cache,
            accepted,
            deferred,
            base,
        } = rest;
        Self {
            link: Link::new(parts.stream, parts.buffer, parts.parameters),
            canceller: parts.canceller,
            cache,
            applied: base.clone(),
            usual: base.clone(),
            base,
            accepted,
            deferred,
            spoilt: false,
            prepared_by_sql: false,
            home: tokio::runtime::Handle::current().id(),
        }
    }

    /// Makes it as new for the next owner; `None` if it is not to be used again.
    ///
    /// # Cancel safety
    ///
    /// The session is closed then, which ends its transaction.
    pub(crate) async fn reset(mut self) -> Option<Self> {
        if !self.come_to_rest().await {
            return None;
        }
        if self.spoilt {
            return None;
        }
        let schema_changed = !self.cache.is_fresh();
        let forget = self.cache.is_forgotten() || self.prepared_by_sql;
        if forget {
            // Whatever has a name on the server has lost it.
            self.cache = Cache::default();
        }
        let (stream, buffer, parameters) = self.link.into_parts();
        let canceller = self.canceller;
        let mut upstream = Upstream::from_parts(Parts {
            stream,
            buffer,
            parameters,
            canceller,
        });
        let settings = self.base.statements_to(&self.usual);
        let sql = reset_sql(forget, &settings);
        upstream.simple(&sql).await.ok()?;
        let rest = Rest {
            cache: self.cache,
            accepted: self.accepted,
            deferred: self.deferred.filter(|_| !schema_changed),
            base: self.usual,
        };
        let mut session = Self::of(upstream.into_parts(), rest);
        if forget {
            session.prepare_guard();
            session.drain().await.ok()?;
        }
        Some(session)
    }

    /// Waits for what is running, which is cancelled after a moment.
    async fn come_to_rest(&mut self) -> bool {
        if let Ok(done) = tokio::time::timeout(FINISH, self.link.drain()).await {
            return done.is_ok();
        }
        self.canceller.cancel().await.ok();
        self.link.drain().await.is_ok()
    }

    /// Whether the server has not hung up while it was idle. Does not wait.
    pub(crate) fn is_open(&mut self) -> bool {
        self.link.is_open()
    }

    /// Whether it cannot be used any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.link.is_lost()
    }

    /// Takes it from its runtime, which may end then. It must be as new.
    pub(crate) fn park(self) -> io::Result<Parked> {
        let (stream, buffer, parameters) = self.link.into_parts();
        let parts = Parts {
            stream,
            buffer,
            parameters,
            canceller: self.canceller,
        };
        let rest = Rest {
            cache: self.cache,
            accepted: self.accepted,
            deferred: self.deferred,
            base: self.base,
        };
        let parts = Upstream::from_parts(parts).park()?;
        Ok(Parked { parts, rest })
    }

    /// Gives it to the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime with IO.
    pub(crate) fn resume(parked: Parked) -> io::Result<Self> {
        let parts = Upstream::resume(parked.parts)?.into_parts();
        Ok(Self::of(parts, parked.rest))
    }

    /// Whether it is on the current runtime.
    pub(crate) fn is_home(&self) -> bool {
        self.home == tokio::runtime::Handle::current().id()
    }

    /// Moves it to the current runtime, if it is on another one.
    pub(crate) fn rehome(self) -> io::Result<Self> {
        let here = tokio::runtime::Handle::current().id();
        if self.home == here {
            return Ok(self);
        }
        Ok(Self {
            link: self.link.rehome()?,
            home: here,
            ..self
        })
    }

    /// Expects that the next owner's connections begin with these settings as well, and has them set by then: that is a
    /// round trip less before a test's first statement.
    pub(crate) fn expect(&mut self, settings: &Settings) {
        let mut settings_of = settings.iter();
        // What is not ASCII depends on the encoding, which is one of them.
        let harmless =
            settings_of.all(|(name, statement)| HARMLESS.contains(&name) && statement.is_ascii());
        if harmless {
            self.usual = settings.clone();
        }
    }

    /// The level of its transaction, in which nothing has happened yet.
    pub(crate) fn set_level(&mut self, level: &str) {
        self.internal(format!("SET TRANSACTION ISOLATION LEVEL {level}").into_bytes());
    }

    /// From here on this clock stands still whenever the server is waited for.
    pub(crate) fn set_clock(&mut self, clock: Option<Clock>) {
        self.link.set_clock(clock);
    }

    /// Stops what it is doing.
    pub(crate) fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    /// What the server said of itself, and of its settings as they are now.
    pub(crate) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.link.parameters
    }
}

/// In one string, so in one round trip: what a rollback leaves is undone behind it, in a transaction of its own, since
/// the level of the next one can only be set as long as it has run no query.
fn reset_sql(forget: bool, settings: &[Vec<u8>]) -> String {
    let forget = if forget { "DEALLOCATE ALL;" } else { "" };
    let mut sql = format!(
        "ROLLBACK;BEGIN;{forget}SELECT pg_catalog.pg_advisory_unlock_all();DISCARD SEQUENCES;"
    );
    for setting in settings {
        sql.push_str(&String::from_utf8_lossy(setting));
        sql.push(';');
    }
    sql.push_str("COMMIT;BEGIN;SET CONSTRAINTS ALL IMMEDIATE");
    sql
}

fn major_version(parameters: &BTreeMap<String, String>) -> u32 {
    let version = parameters.get("server_version").map_or("", |v| &**v);
    let digits = version.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
