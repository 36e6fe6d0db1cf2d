//! Making a template: create, migrate, fix the statistics, rename.

use super::collect::collect;
use super::error::TemplateError;
use super::name::{self, Family, Mark, ident, literal, unfinished};
use super::{Purpose, Wanted, drop_by_force, home, mark, note_use, now, when_free};
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::upstream::{QueryError, Upstream};
use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

/// Makes the template unless it is there, or waits for whoever makes it.
pub(super) async fn ensure(
    config: &Config,
    family: &Family,
    template: &str,
    wanted: &Wanted<'_>,
) -> Result<(), TemplateError> {
    let mut home = home(config).await?;
    let done = under_lock(&mut home, config, family, template, wanted).await;
    // The lock goes with the session.
    home.close().await;
    done
}

async fn under_lock(
    home: &mut Upstream,
    config: &Config,
    family: &Family,
    template: &str,
    wanted: &Wanted<'_>,
) -> Result<(), TemplateError> {
    // A source is looked for without the lock first: nobody can connect to it to see that it is there.
    if wanted.purpose == Purpose::Source && is_there(home, template).await? {
        note_use(home, family, template).await;
        return Ok(());
    }
    take_lock(home, template, wanted.patience).await?;
    if is_there(home, template).await? {
        return Ok(());
    }
    make(home, config, family, template, wanted).await?;
    collect(home, family, template).await.ok();
    Ok(())
}

/// Whether the template is there. One whose removal was interrupted is of no use, and is dropped.
async fn is_there(home: &mut Upstream, template: &str) -> Result<bool, TemplateError> {
    let failed = |error| TemplateError::refused("look for the template", template)(error);
    let sql = format!(
        "SELECT datconnlimit = -2 FROM pg_database WHERE datname = {}",
        literal(template)
    );
    match home.simple(&sql).await.map_err(failed)?.first() {
        None => Ok(false),
        Some("t") => {
            let sql = format!("DROP DATABASE IF EXISTS {}", ident(template));
            home.simple(&sql).await.map_err(failed)?;
            Ok(false)
        }
        Some(_) => Ok(true),
    }
}

/// Waits for the lock, which whoever makes this template holds.
async fn take_lock(
    home: &mut Upstream,
    template: &str,
    patience: Duration,
) -> Result<(), TemplateError> {
    let key = name::lock(template);
    let milliseconds = patience.as_millis().clamp(1, 0x7fff_ffff);
    let sql = format!(
        "SET lock_timeout = {milliseconds}; SELECT pg_advisory_lock({key}); RESET lock_timeout"
    );
    match home.simple(&sql).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("55P03") => Err(TemplateError::Busy {
            name: template.to_owned(),
            holder: holder(home, key).await,
            waited: patience,
        }),
        Err(error) => Err(TemplateError::refused("lock the template", template)(error)),
    }
}

async fn holder(home: &mut Upstream, key: i64) -> String {
    // As `pg_locks` shows a key: in two halves.
    let sql_key = format!("(classid::bigint << 32 | objid::bigint) = {key}");
    let sql = format!(
        "SELECT format('`%s` (server process %s, since %s, from %s)', application_name, pid, \
         date_trunc('second', backend_start), coalesce(host(client_addr), 'this machine')) \
         FROM pg_stat_activity JOIN pg_locks USING (pid) \
         WHERE locktype = 'advisory' AND granted AND {sql_key}"
    );
    let rows = home.simple(&sql).await;
    let holder = rows.ok().and_then(|rows| rows.first().map(str::to_owned));
    holder.unwrap_or_else(|| "another process".to_owned())
}

async fn make(
    home: &mut Upstream,
    config: &Config,
    family: &Family,
    template: &str,
    wanted: &Wanted<'_>,
) -> Result<(), TemplateError> {
    let unfinished = unfinished(template);
    let refused = |doing| TemplateError::refused(doing, &unfinished);
    // Of a process that was killed.
    drop_by_force(home, &unfinished)
        .await
        .map_err(refused("drop the half-made"))?;
    create(home, config, &unfinished, None).await?;
    let filled = fill(config, &unfinished, home.is_encrypted(), wanted).await;
    if let Err(error) = filled {
        drop_by_force(home, &unfinished).await.ok();
        return Err(error);
    }
    let now = now(home).await.map_err(refused("tell the time for"))?;
    let comment = Mark::template(now, &family.base);
    mark(home, &unfinished, &comment)
        .await
        .map_err(refused("mark"))?;
    if wanted.purpose == Purpose::Source {
        let sql = format!(
            "ALTER DATABASE {} ALLOW_CONNECTIONS false",
            ident(&unfinished)
        );
        home.simple(&sql).await.map_err(refused("close"))?;
    }
    let sql = format!(
        "ALTER DATABASE {} RENAME TO {}",
        ident(&unfinished),
        ident(template)
    );
    match when_free(home, &sql).await {
        // A process with other rights keeps its locks elsewhere, and was quicker.
        Err(error) if error.code() == Some("42P04") => {
            drop_by_force(home, &unfinished).await.ok();
            Ok(())
        }
        other => other.map(drop).map_err(refused("rename")),
    }
}

/// Creates a database, from another one or as the server's `template1` says.
///
/// How it is copied is left to the server: since 15 that is `WAL_LOG`. On a server that waits for its disk it took about
/// a sixth of the time of `FILE_COPY` (54 against 358 ms); on one that does not (`fsync = off`) a quarter more, but less
/// than half with four at once (300 against 781 ms).
pub(super) async fn create(
    home: &mut Upstream,
    config: &Config,
    database: &str,
    source: Option<&str>,
) -> Result<(), TemplateError> {
    let mut sql = format!("CREATE DATABASE {}", ident(database));
    if let Some(source) = source {
        sql = format!("{sql} TEMPLATE {}", ident(source));
    }
    match when_free(home, &sql).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("42501") => Err(TemplateError::NoRight {
            role: config.user().to_owned(),
            quoted: ident(config.user()),
            database: config.database().to_owned(),
        }),
        Err(error) => Err(TemplateError::refused("create", database)(error)),
    }
}

async fn fill(
    config: &Config,
    database: &str,
    encrypted: bool,
    wanted: &Wanted<'_>,
) -> Result<(), TemplateError> {
    let config = config.with_database(database);
    let mut session = Upstream::connect(&config).await?;
    for extension in wanted.extensions {
        let sql = format!(
            "CREATE EXTENSION IF NOT EXISTS {} CASCADE",
            ident(extension)
        );
        match session.simple(&sql).await {
            Ok(_) => {}
            Err(QueryError::Server(error)) => {
                return Err(TemplateError::Extension {
                    extension: extension.clone(),
                    error,
                });
            }
            Err(error) => {
                return Err(TemplateError::refused("create an extension in", database)(
                    error,
                ));
            }
        }
    }
    if let Some(migrator) = wanted.migrator {
        let migrated = migrate(&config, encrypted, migrator).await;
        migrated.map_err(|source| TemplateError::Migrate {
            name: database.to_owned(),
            source: Box::new(source),
        })?;
    }
    let fixed = fix_statistics(&mut session).await;
    fixed.map_err(TemplateError::refused("fix the statistics of", database))?;
    session.close().await;
    Ok(())
}

/// On a connection of its own, because migrations may leave settings behind; from a pool, because with `&mut
/// PgConnection` the compiler does not see that sqlx's future is `Send`.
async fn migrate(
    config: &Config,
    encrypted: bool,
    migrator: &Migrator,
) -> Result<(), MigrateError> {
    let options = config.options(encrypted).disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    let migrated = migrator.run(&pool).await;
    pool.close().await;
    migrated
}

/// All tests use these tables and none commits, so to the server they are always empty and full of dead rows. What
/// autovacuum would make of that changes plans, and with them the order of rows, from one run to the next.
async fn fix_statistics(session: &mut Upstream) -> Result<(), QueryError> {
    let tables = session
        .simple(
            "SELECT format('ALTER %s %s SET (autovacuum_enabled = false%s)', \
             CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, c.oid::regclass, \
             CASE WHEN reltoastrelid <> 0 THEN ', toast.autovacuum_enabled = false' ELSE '' END) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
             WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND nspname !~ '^pg_' \
             AND nspname <> 'information_schema' AND pg_has_role(relowner, 'USAGE') ORDER BY c.oid",
        )
        .await?;
    let statements = tables.rows.into_iter().filter_map(|mut row| row.pop()?);
    let statements: Vec<String> = statements.collect();
    session.simple(&statements.join(";")).await?;
    // Tables of other roles are passed over with a warning.
    session.simple("ANALYZE").await.map(drop)
}
