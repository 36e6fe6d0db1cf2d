//! What the tests on PostgreSQL share. `cargo xtask test` starts a server for them.

pub mod raw;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use std::str::FromStr as _;

/// Where the server is: a role that may create databases, and a database of its own.
///
/// # Panics
///
/// When nobody has said.
#[must_use]
pub fn url() -> String {
    variable("DATABASE_URL")
}

/// The same server as its superuser.
///
/// # Panics
///
/// When nobody has said.
#[must_use]
pub fn superuser_url() -> String {
    variable("HEIRLOOM_SUPERUSER_URL")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run these tests by `cargo xtask test`, or one of them by `cargo xtask with-servers cargo test ..`")
    })
}

/// A connection of nobody's.
///
/// # Panics
///
/// When the server is not there.
pub async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the server")
}

/// Runs statements as the superuser.
///
/// # Panics
///
/// When the server refuses.
pub async fn administrate(sql: &str) {
    let mut connection = connect(&superuser_url()).await;
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let done = sqlx::raw_sql(sql).execute(&mut connection).await;
    done.expect("an administrator may do everything");
}

/// How to reach another database of the server.
///
/// # Panics
///
/// When the URL is none.
#[must_use]
pub fn options_of(database: &str) -> PgConnectOptions {
    let options = PgConnectOptions::from_str(&url()).expect("a URL");
    options.database(database)
}

/// Whether there is a database of this name.
///
/// # Panics
///
/// When the server refuses.
pub async fn exists(database: &str) -> bool {
    let mut connection = connect(&url()).await;
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(&mut connection)
        .await
        .expect("an answer")
}

/// The names of the databases that begin like this.
///
/// # Panics
///
/// When the server refuses.
pub async fn databases(prefix: &str) -> Vec<String> {
    let names = "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1";
    sqlx::query_scalar(names)
        .bind(prefix)
        .fetch_all(&mut connect(&url()).await)
        .await
        .expect("names")
}
