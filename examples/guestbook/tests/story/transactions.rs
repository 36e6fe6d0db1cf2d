//! Transactions are real: what is committed stays for this test, what is not does not.

use crate::support::{TestResult, count};
use guestbook::{NewEntry, REPO, SignUp, sign, sign_up};
use heirloom::sandboxed;
use sqlx::Sqlite;
use sqlx::SqlitePool;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

fn ada() -> SignUp {
    SignUp {
        name: "Ada".into(),
        email: "ada@example.org".into(),
    }
}

#[sandboxed]
async fn what_is_committed_is_seen_through_the_global_repo(pool: SqlitePool) -> TestResult {
    let mut signing = pool.begin().await?;
    sign_up(&mut *signing, &ada()).await?;
    let entry = NewEntry {
        email: "ada@example.org".into(),
        text: "In one go.".into(),
    };
    sign(&mut *signing, &entry).await?;
    assert_eq!(count(&pool, "guests").await, 0, "not before the commit");
    signing.commit().await?;
    let text: String = sqlx::query_scalar("SELECT text FROM entries")
        .fetch_one(&REPO)
        .await?;
    assert_eq!(text, "In one go.");
    Ok(())
}

#[sandboxed]
async fn what_is_rolled_back_was_never_there(pool: SqlitePool) -> TestResult {
    let mut dropped = REPO.begin().await?;
    sign_up(&mut *dropped, &ada()).await?;
    drop(dropped);
    let mut undone = REPO.begin_with("BEGIN IMMEDIATE").await?;
    sign_up(&mut *undone, &ada()).await?;
    undone.rollback().await?;
    assert_eq!(count(&pool, "guests").await, 0);
    Ok(())
}

#[sandboxed]
async fn one_connection_is_enough_for_a_whole_test(
    mut connection: PoolConnection<Sqlite>,
) -> TestResult {
    let guest = sign_up(&mut *connection, &ada()).await?;
    assert_eq!(guest.id, 1);
    Ok(())
}

#[sandboxed]
async fn a_pool_with_options_of_its_own_opens_the_same_database(
    (pool_options, options): (SqlitePoolOptions, SqliteConnectOptions),
    pool: SqlitePool,
) -> TestResult {
    let narrow = pool_options
        .max_connections(1)
        .connect_with(options.read_only(true))
        .await?;
    sign_up(&pool, &ada()).await?;
    assert_eq!(count(&narrow, "guests").await, 1);
    let refused = sign_up(&narrow, &ada()).await;
    assert!(refused.is_err(), "it only reads");
    assert_eq!(narrow.options().get_max_connections(), 1);
    Ok(())
}

#[sandboxed(migrations = false)]
async fn without_migrations_a_test_starts_with_an_empty_database(pool: SqlitePool) -> TestResult {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&pool)
        .await?;
    assert_eq!(tables, 0);
    guestbook::MIGRATOR.run(&pool).await?;
    assert_eq!(sign_up(&pool, &ada()).await?.id, 1);
    Ok(())
}
