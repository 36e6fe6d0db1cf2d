//! Transactions are real: what is committed stays for this test, what is not does not.

use crate::support::{TestResult, count};
use guestbook::{Db, Error, NewEntry, Pool, REPO, SignUp, sign, sign_up};
use heirloom::sandboxed;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Database};

/// How to reach the database.
type ConnectOptions = <<Db as Database>::Connection as Connection>::Options;

fn ada() -> SignUp {
    SignUp {
        name: "Ada".into(),
        email: "ada@example.org".into(),
    }
}

/// Connections that do not see what others have not committed are in a database of the test's own.
#[sandboxed(isolation = "database")]
async fn what_is_committed_is_seen_through_the_global_repo(pool: Pool) -> TestResult {
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
async fn what_is_rolled_back_was_never_there(pool: Pool) -> TestResult {
    let mut dropped = REPO.begin().await?;
    sign_up(&mut *dropped, &ada()).await?;
    drop(dropped);
    let mut undone = REPO.begin_with("BEGIN").await?;
    sign_up(&mut *undone, &ada()).await?;
    undone.rollback().await?;
    assert_eq!(count(&pool, "guests").await, 0);
    Ok(())
}

#[sandboxed]
async fn one_connection_is_enough_for_a_whole_test(
    mut connection: PoolConnection<Db>,
) -> TestResult {
    let guest = sign_up(&mut *connection, &ada()).await?;
    assert_eq!(guest.name, "Ada");
    Ok(())
}

#[sandboxed]
async fn a_pool_with_options_of_its_own_opens_the_same_database(
    (pool_options, options): (PoolOptions<Db>, ConnectOptions),
    pool: Pool,
) -> TestResult {
    let narrow = pool_options
        .max_connections(1)
        .connect_with(options)
        .await?;
    sign_up(&pool, &ada()).await?;
    assert_eq!(count(&narrow, "guests").await, 1);
    assert_eq!(narrow.options().get_max_connections(), 1);
    Ok(())
}

#[sandboxed(migrations = false)]
async fn without_migrations_a_test_starts_with_an_empty_database(pool: Pool) -> TestResult {
    let signed = sign_up(&pool, &ada()).await;
    assert!(matches!(signed, Err(Error::Database(_))), "{signed:?}");
    guestbook::MIGRATOR.run(&pool).await?;
    sign_up(&pool, &ada()).await?;
    Ok(())
}
