//! What the benchmarks share: a schema of 20 migrations and 25 tables, and the five queries of a small test.
//!
//! Run them with `cargo bench -p heirloom-benches`. Compare medians of one run; single numbers move with the machine.

pub mod postgres;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;

/// 20 migrations, 25 tables, 24 indexes. SQLite and PostgreSQL both take them.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// What a small test does: two inserts, an update, two selects, each on the pool.
///
/// # Panics
///
/// When a query fails.
pub async fn five_queries(pool: &SqlitePool) {
    for name in ["ada", "bob"] {
        let insert = sqlx::query("INSERT INTO users (name) VALUES (?)").bind(name);
        insert.execute(pool).await.expect("an insert");
    }
    let update = sqlx::query("UPDATE users SET name = 'eve' WHERE name = ?").bind("bob");
    update.execute(pool).await.expect("an update");
    let names = sqlx::query_scalar::<_, String>("SELECT name FROM users ORDER BY id");
    assert_eq!(names.fetch_all(pool).await.expect("names"), ["ada", "eve"]);
    let tasks = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tasks");
    assert_eq!(tasks.fetch_one(pool).await.expect("a count"), 0);
}
