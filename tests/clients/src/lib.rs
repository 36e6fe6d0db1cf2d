//! What other drivers, and other programs, do with a PostgreSQL database: stories over a URL.
//!
//! Each runs on the schema in `migrations/`, panics where it meets something else than on a real server, and holds
//! whether what it wrote is committed for good or only for its owner. So it asserts no ids of a sequence, and uses e-mails
//! of its own; and no connection looks at what another one has not committed.
#![allow(clippy::missing_panics_doc, reason = "that is how a story fails")]

pub mod diesel;
pub mod pg_dump;
pub mod psql;
pub mod psycopg;
pub mod sea;
pub mod sqlx08;
pub mod tokio_postgres;
pub mod worker;

use std::path::PathBuf;
use std::process::Output;

/// The schema of every story.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The rows of `guests` whose e-mail begins so, by name.
pub const NAMES_LIKE: &str = "SELECT name FROM guests WHERE starts_with(email, $1) ORDER BY name";

/// One of PostgreSQL's programs, where `cargo xtask` found them, else in the path.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let dir = std::env::var_os("HEIRLOOM_PG_BIN").map(PathBuf::from);
    dir.map_or_else(|| name.into(), |dir| dir.join(name))
}

/// What a program has printed; panics with what it said on standard error, if it failed.
#[must_use]
pub fn printed(name: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
