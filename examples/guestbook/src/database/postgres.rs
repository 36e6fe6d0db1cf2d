//! A database on a server.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;

/// Which database it is.
pub type Db = sqlx::Postgres;

/// Where it is, unless something else is said.
pub const URL: &str = "postgres://localhost/guestbook";

pub(crate) const MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

/// Notes that guest `$1` is welcomed now.
pub(crate) const NOTE_WELCOME: &str = r#"UPDATE guests
    SET welcomed_at = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') WHERE id = $1"#;

pub(crate) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    url.parse()
}
