//! A file.

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use std::str::FromStr as _;

/// Which database it is.
pub type Db = sqlx::Sqlite;

/// Where it is, unless something else is said.
pub const URL: &str = "sqlite:guestbook.sqlite";

pub(crate) const MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// Notes that guest `$1` is welcomed now.
pub(crate) const NOTE_WELCOME: &str =
    "UPDATE guests SET welcomed_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = $1";

pub(crate) fn options(url: &str) -> Result<SqliteConnectOptions, sqlx::Error> {
    Ok(SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal))
}
