//! Templates: a migrated database per content hash, made once under a lock that holds between processes too.
//!
//! There is a template only when it is whole: it is made under another name and renamed last. While it is made, and
//! while others wait for it, an advisory lock in the server's `postgres` database (or in the application's own, if this
//! role may not enter that one) is held; it goes with the process, whatever ends that.

mod clones;
mod collect;
mod error;
mod make;
mod name;
#[cfg(test)]
mod tests;
mod tidy;

pub(crate) use clones::{CloneDb, Clones};
pub(crate) use error::TemplateError;
pub(crate) use name::literal;
pub(crate) use tidy::tidy;

use super::config::Config;
use super::upstream::{ConnectError, QueryError, Rows, Upstream};
use name::{Family, Mark, ident};
use sqlx::migrate::Migrator;
use std::time::Duration;

/// Part of every hash: raised when templates are made in another way, so that old ones are not used.
const FORMAT: &str = "1";

/// A template that no process has used for this long is dropped, and a clone that was kept for this long.
pub(crate) const KEPT_UNUSED: Duration = Duration::from_hours(7 * 24);

/// How much later than the last note of it a use is noted again, so that runs do not write to the catalogue each.
const NOTED_EVERY: Duration = Duration::from_hours(24);

/// How long to wait for another process that makes the same template.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// What a template is to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The hash of the migrations' content.
    pub(crate) hash: &'a str,
    /// The migrations, if there are any.
    pub(crate) migrator: Option<&'a Migrator>,
    /// Extensions that are created first, in this order.
    pub(crate) extensions: &'a [String],
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// How long to wait for another process that is making it; else [`PATIENCE`].
    pub(crate) patience: Duration,
}

/// Nobody may be connected to a database that is cloned, so the two are different databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sessions connect to it, in transactions that are never committed.
    Sessions,
    /// Others are cloned from it; nobody can connect to it.
    Source,
}

/// A migrated database.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    name: String,
    config: Config,
}

impl Template {
    /// The application's own database, as it is.
    pub(crate) fn as_it_is(config: &Config) -> Self {
        Self {
            name: config.database().to_owned(),
            config: config.clone(),
        }
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How to log in to it.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

/// The template of a schema; made if it is not there yet. For [`Purpose::Sessions`], the session by which that was found
/// out is the first one in it.
///
/// `config` names the application's database, which need not exist.
///
/// # Cancel safety
///
/// What is left half-made when this is dropped is dropped by whoever makes it next.
pub(crate) async fn ensure(
    config: &Config,
    wanted: &Wanted<'_>,
) -> Result<(Template, Option<Upstream>), TemplateError> {
    let family = Family::of(config.database());
    let name = name_of(&family, wanted);
    let template = Template {
        config: config.with_database(&name),
        name,
    };
    if wanted.purpose == Purpose::Source {
        make::ensure(config, &family, &template.name, wanted).await?;
        return Ok((template, None));
    }
    if let Some(session) = enter(&template, &family).await? {
        return Ok((template, Some(session)));
    }
    make::ensure(config, &family, &template.name, wanted).await?;
    match enter(&template, &family).await? {
        Some(session) => Ok((template, Some(session))),
        None => Err(TemplateError::Gone {
            name: template.name,
        }),
    }
}

fn name_of(family: &Family, wanted: &Wanted<'_>) -> String {
    let purpose = match wanted.purpose {
        Purpose::Sessions => "sessions",
        Purpose::Source => "source",
    };
    let parts = [FORMAT, purpose, wanted.hash];
    let extensions = wanted.extensions.iter().map(String::as_str);
    family.template(parts.into_iter().chain(extensions))
}

/// A session in the template, if it is there.
async fn enter(template: &Template, family: &Family) -> Result<Option<Upstream>, TemplateError> {
    let mut session = match Upstream::connect(&template.config).await {
        Ok(session) => session,
        // Not there, or one whose removal was interrupted.
        Err(error) if matches!(error.code(), Some("3D000" | "55000")) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    note_use(&mut session, family, &template.name).await;
    Ok(Some(session))
}

/// Notes in the database's comment that it was used, once a day. Best effort: only its owner may.
async fn note_use(session: &mut Upstream, family: &Family, template: &str) {
    let sql = format!(
        "SELECT shobj_description(oid, 'pg_database'), {NOW} FROM pg_database WHERE datname = {}",
        literal(template)
    );
    let Ok(rows) = session.simple(&sql).await else {
        return;
    };
    let [row, ..] = &*rows.rows else {
        return;
    };
    let now = seconds(row.get(1));
    let noted = match row.first().and_then(Option::as_deref).and_then(Mark::read) {
        Some(Mark::Template { used, .. }) => used,
        _ => 0,
    };
    if now.saturating_sub(noted) > NOTED_EVERY.as_secs() {
        mark(session, template, &Mark::template(now, &family.base))
            .await
            .ok();
    }
}

/// The server's clock: processes on several machines may use one server.
const NOW: &str = "extract(epoch FROM clock_timestamp())::bigint";

fn seconds(value: Option<&Option<String>>) -> u64 {
    let value = value.and_then(Option::as_deref);
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

async fn now(session: &mut Upstream) -> Result<u64, QueryError> {
    let rows = session.simple(&format!("SELECT {NOW}")).await?;
    Ok(seconds(rows.rows.first().and_then(|row| row.first())))
}

async fn mark(session: &mut Upstream, database: &str, comment: &str) -> Result<Rows, QueryError> {
    let (database, comment) = (ident(database), literal(comment));
    session
        .simple(&format!("COMMENT ON DATABASE {database} IS {comment}"))
        .await
}

/// A session from which databases are created and dropped, and where the locks are: `postgres`, or where this role may
/// not enter that one, the application's own.
pub(super) async fn home(config: &Config) -> Result<Upstream, ConnectError> {
    match Upstream::connect(&config.with_database("postgres")).await {
        Err(error) if matches!(error.code(), Some("3D000" | "28000" | "42501")) => {
            Upstream::connect(config).await
        }
        other => other,
    }
}

/// How often it is tried to have a database that somebody is in.
const ROUNDS: u32 = 6;

/// Takes a lock of the session, if nobody has it.
async fn try_lock(home: &mut Upstream, name: &str) -> Result<bool, QueryError> {
    let sql = format!("SELECT pg_try_advisory_lock({})", name::lock(name));
    Ok(home.simple(&sql).await?.first() == Some("t"))
}

async fn unlock(home: &mut Upstream, name: &str) -> Result<Rows, QueryError> {
    let sql = format!("SELECT pg_advisory_unlock({})", name::lock(name));
    home.simple(&sql).await
}

/// Drops a database with everybody in it, if it is there.
async fn drop_by_force(home: &mut Upstream, database: &str) -> Result<Rows, QueryError> {
    let sql = format!("DROP DATABASE IF EXISTS {}", ident(database));
    let forced = format!("{sql} WITH (FORCE)");
    for _ in 1..ROUNDS {
        match home.simple(&forced).await {
            // Somebody is in it whom only a superuser may end, as the server's own autovacuum: without force it ends that
            // itself, and waits for others.
            Err(error) if error.code() == Some("42501") => {}
            other => return other,
        }
        match home.simple(&sql).await {
            Err(error) if error.code() == Some("55006") => {}
            other => return other,
        }
    }
    home.simple(&forced).await
}

/// Runs a statement again while somebody is in a database that has to be empty. The server itself waits up to 5 s each
/// time.
async fn when_free(home: &mut Upstream, sql: &str) -> Result<Rows, QueryError> {
    for _ in 1..ROUNDS {
        match home.simple(sql).await {
            Err(error) if error.code() == Some("55006") => {}
            other => return other,
        }
    }
    home.simple(sql).await
}
