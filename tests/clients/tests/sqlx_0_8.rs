//! An application that is on sqlx 0.8: its own types as a test's arguments, on the one session that sqlx 0.9 has as well.

use heirloom::{Repo, sandboxed};
use heirloom_clients::MIGRATIONS;
use sqlx::Postgres;
use sqlx08::pool::PoolConnection;
use sqlx08::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx08::{PgExecutor, PgPool};

static REPO: Repo<Postgres> = Repo::new();

async fn sign_up(on: impl PgExecutor<'_>, email: &str) -> sqlx08::Result<()> {
    let insert = sqlx08::query("INSERT INTO guests (email, name) VALUES ($1, 'a guest')");
    insert.bind(email).execute(on).await.map(drop)
}

async fn count(on: impl PgExecutor<'_>) -> i64 {
    let count = sqlx08::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(on).await.expect("a count")
}

#[sandboxed(migrator = MIGRATIONS)]
async fn a_pool_is_the_tests_own(pool: PgPool) -> sqlx08::Result<()> {
    assert_eq!(count(&pool).await, 0);
    sign_up(&pool, "ada@zero-eight").await?;
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    sign_up(&mut *one, "bob@zero-eight").await?;
    assert_eq!(count(&mut *other).await, 2);
    Ok(())
}

#[sandboxed(migrator = MIGRATIONS)]
async fn transactions_are_as_ever(pool: PgPool) -> sqlx08::Result<()> {
    let mut undone = pool.begin().await?;
    sign_up(&mut *undone, "ada@undone").await?;
    undone.rollback().await?;
    let mut done = pool.begin().await?;
    sign_up(&mut *done, "ada@done").await?;
    sign_up(&mut *done, "ada@done").await.expect_err("twice");
    done.rollback().await?;
    assert_eq!(count(&pool).await, 0);
    Ok(())
}

#[sandboxed(migrator = MIGRATIONS)]
async fn a_connection_and_options_are_of_the_same_session(
    mut connection: PoolConnection<sqlx08::Postgres>,
    pool_options: PgPoolOptions,
    connect_options: PgConnectOptions,
    both: (PgPoolOptions, PgConnectOptions),
) -> sqlx08::Result<()> {
    sign_up(&mut *connection, "ada@zero-eight").await?;
    let narrow = pool_options.max_connections(1);
    let narrow = narrow.connect_with(connect_options).await?;
    assert_eq!(count(&narrow).await, 1);
    let other = both.0.connect_with(both.1).await?;
    assert_eq!(count(&other).await, 1);
    narrow.close().await;
    other.close().await;
    Ok(())
}

#[sandboxed(migrator = MIGRATIONS)]
async fn both_versions_see_each_others_rows(
    new: sqlx::PgPool,
    old: PgPool,
    mut listener: PgListener,
) -> sqlx08::Result<()> {
    sign_up(&old, "ada@zero-eight").await?;
    let insert = "INSERT INTO guests (email, name) VALUES ('bob@zero-nine', 'Bob')";
    sqlx::query(insert).execute(&new).await.expect("a row");
    assert_eq!(count(&old).await, 2);
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&REPO)
        .await
        .expect("a count");
    assert_eq!(seen, 2);
    listener.listen("moves").await?;
    let notify = sqlx::query("NOTIFY moves, 'on'");
    notify.execute(&new).await.expect("said");
    assert_eq!(listener.recv().await?.payload(), "on");
    Ok(())
}

#[sandboxed(migrator = MIGRATIONS, isolation = "database")]
async fn a_database_of_its_own_is_the_same_one(
    new: sqlx::PgPool,
    old: PgPool,
) -> sqlx08::Result<()> {
    let mut signing = old.begin().await?;
    sign_up(&mut *signing, "ada@zero-eight").await?;
    let name = "SELECT current_database()";
    let here: String = sqlx08::query_scalar(name).fetch_one(&mut *signing).await?;
    let there: String = sqlx::query_scalar(name)
        .fetch_one(&new)
        .await
        .expect("a name");
    assert_eq!(here, there);
    assert_eq!(count(&old).await, 0, "it is not committed");
    signing.commit().await?;
    assert_eq!(count(&old).await, 1);
    Ok(())
}

#[sandboxed(migrator = MIGRATIONS, flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_the_session(pool: PgPool) -> sqlx08::Result<()> {
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { sign_up(&pool, &format!("{n}@zero-eight")).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic")?;
    }
    assert_eq!(count(&pool).await, 50);
    Ok(())
}
