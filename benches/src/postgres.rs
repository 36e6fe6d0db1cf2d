//! The same on PostgreSQL, and the ways to get there that heirloom is compared with.

use crate::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use std::sync::atomic::{AtomicI32, Ordering};

/// The five queries, each on what this expression gives.
macro_rules! five_queries {
    ($executor:expr) => {
        let first = fresh_ids();
        for (id, name) in [(first, "ada"), (first + 1, "bob")] {
            let insert = sqlx::query("INSERT INTO users (id, name) VALUES ($1, $2)");
            let insert = insert.bind(id).bind(name).execute($executor);
            insert.await.expect("an insert");
        }
        let update = sqlx::query("UPDATE users SET name = 'eve' WHERE name = $1").bind("bob");
        update.execute($executor).await.expect("an update");
        let names = sqlx::query_scalar::<_, String>("SELECT name FROM users ORDER BY id");
        let names = names.fetch_all($executor).await;
        assert_eq!(names.expect("names"), ["ada", "eve"]);
        let tasks = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tasks");
        assert_eq!(tasks.fetch_one($executor).await.expect("a count"), 0);
    };
}

/// Two ids that no other test has, as a sequence would give: whoever inserts the key of a test that is running waits for
/// its end.
fn fresh_ids() -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    let process = i32::try_from(std::process::id() % 20_000).expect("it is small");
    process * 100_000 + NEXT.fetch_add(2, Ordering::Relaxed) % 100_000
}

/// What a small test does: two inserts, an update, two selects, each on the pool.
///
/// # Panics
///
/// When a query fails.
pub async fn five_queries(pool: &PgPool) {
    five_queries!(pool);
}

/// The same on one connection.
///
/// # Panics
///
/// When a query fails.
pub async fn five_queries_on(connection: &mut PgConnection) {
    five_queries!(&mut *connection);
}

/// Where the server is.
///
/// # Panics
///
/// When nobody has said.
#[must_use]
pub fn server() -> PgConnectOptions {
    let url = std::env::var("DATABASE_URL").expect(
        "DATABASE_URL is not set: run this by `cargo xtask with-servers cargo bench -p heirloom-benches --bench postgres`",
    );
    url.parse().expect("a URL")
}

/// A database with the migrations, made anew.
///
/// # Panics
///
/// When the server refuses.
pub async fn migrated(name: &str) -> PgConnectOptions {
    let mut server = connect(&server()).await;
    run(&mut server, format!("DROP DATABASE IF EXISTS {name}")).await;
    run(&mut server, format!("CREATE DATABASE {name}")).await;
    let options = self::server().database(name);
    let mut connection = connect(&options).await;
    MIGRATOR.run(&mut connection).await.expect("migrations");
    connection.close().await.expect("it closes");
    options
}

/// A connection.
///
/// # Panics
///
/// When the server is not there.
pub async fn connect(options: &PgConnectOptions) -> PgConnection {
    let connection = PgConnection::connect_with(options).await;
    connection.expect("the server")
}

/// A pool as most applications make it.
#[must_use]
pub fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().connect_lazy_with(options)
}

/// Runs statements that have no answer.
///
/// # Panics
///
/// When the server refuses.
pub async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    let sql = AssertSqlSafe(sql.into());
    sqlx::raw_sql(sql)
        .execute(connection)
        .await
        .expect("the server does it");
}
