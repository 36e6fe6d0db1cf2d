//! Every argument of the attribute, in every form.

use heirloom::sandboxed;
use sqlx::SqlitePool;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

async fn users(pool: &SqlitePool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(pool)
        .await
}

#[sandboxed(migrations = false, fixtures("users"))]
async fn fixture_by_name(pool: SqlitePool) {
    assert_eq!(users(&pool).await.unwrap(), 1);
}

#[sandboxed(
    migrations = false,
    fixtures("./fixtures/users.sql"),
    fixtures("./scripts/entries.sql")
)]
async fn fixtures_by_path(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT * FROM entries")
        .fetch_all(&pool)
        .await?;
    assert_eq!(users(&pool).await.unwrap(), 1);
    Ok(())
}

#[sandboxed(
    migrations = false,
    fixtures(path = "./scripts", scripts("entries", "entries_of_users.sql"))
)]
async fn fixtures_in_a_directory(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT * FROM entries_of_users")
        .fetch_all(&pool)
        .await?;
    Ok(())
}

#[sandboxed(migrator = MIGRATOR, isolation = "database", flavor = "current_thread", drain_timeout = "500ms")]
async fn migrator_by_path(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    Ok(())
}

#[sandboxed(migrations = false, isolation = "none", ownership_timeout = "2m")]
async fn outside_of_the_sandbox(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    Ok(())
}

#[sandboxed(
    migrations = false,
    shared = true,
    ownership_timeout = "90s",
    drain_timeout = "5s"
)]
async fn alone(pool: SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    Ok(())
}

#[sandboxed(
    migrations = false,
    shared = true,
    isolation = "none",
    ownership_timeout = "1 m"
)]
fn alone_and_outside(pool: SqlitePool) {
    drop(pool);
}

#[sandboxed(isolation = "transaction", migrations = false)]
fn as_postgres_does() {}

#[sandboxed(shared = false, isolation = "database", ownership_timeout = "60m")]
fn as_usual() {}

#[sandboxed(drain = "settle")]
async fn what_waits_is_dropped() {
    tokio::spawn(std::future::pending::<()>());
}

#[sandboxed(drain = "join", drain_timeout = "1m")]
async fn what_ends_is_waited_for() {
    tokio::spawn(tokio::task::yield_now());
}

#[sandboxed(drain = "abort")]
async fn what_runs_is_dropped() {
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2, drain_timeout = "1m", spawns = "inherit", crate = ::heirloom)]
async fn runtime_as_asked() {
    let flavor = tokio::runtime::Handle::current().runtime_flavor();
    assert_eq!(flavor, tokio::runtime::RuntimeFlavor::MultiThread);
}

#[sandboxed(spawns = "deny", allow(tokio::spawn, JoinSet::spawn))]
async fn listed_spawns_are_allowed() {
    tokio::spawn(async {}).await.unwrap();
    let mut set = tokio::task::JoinSet::new();
    set.spawn(async {});
    set.join_next().await.unwrap().unwrap();
    #[unowned("not listed, on purpose")]
    std::thread::spawn(|| {}).join().unwrap();
}
