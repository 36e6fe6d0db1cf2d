//! A test that holds what a task of its own needs, and awaits that task: told as what it is.

use heirloom::__private::in_flight;
use heirloom::{Error, Repo, owned, sandboxed};
use heirloom_tests::says;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqliteError;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::yield_now;

static SQLITE: Repo<Sqlite> = Repo::new();
static POSTGRES: Repo<Postgres> = Repo::new();

async fn sign_up_by_repo(email: &'static str) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (email) VALUES (?)").bind(email);
    insert.execute(&SQLITE).await.map(drop)
}

/// Leaves the pool with one idle connection, whose writes do not wait for long.
async fn one_impatient_connection(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut impatient = pool.acquire().await?;
    sqlx::query("PRAGMA busy_timeout = 1")
        .execute(&mut *impatient)
        .await?;
    drop(impatient);
    while pool.num_idle() == 0 {
        yield_now().await;
    }
    Ok(())
}

#[sandboxed]
async fn a_write_that_waits_for_the_tests_own_transaction_says_so(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    let mut transaction = SQLITE.begin().await?;
    one_impatient_connection(&pool).await?;
    sqlx::query("INSERT INTO guests (email) VALUES ('ada')")
        .execute(&mut *transaction)
        .await?;
    let failed = tokio::spawn(owned(sign_up_by_repo("grace"))).await;
    let failed = failed.expect("it ends").expect_err("the lock is taken");
    let text = failed.to_string();
    println!("{text}");
    for part in [
        "database is locked",
        "waited in vain for repo `default`: another connection of test `self_wait::a_write_that_waits_for_the_tests_own_transaction_says_so` itself has written to it and not committed",
        "a connection of repo `default` wrote to table `guests` ",
        " ago",
        "help: commit or drop that transaction before awaiting a task that writes, or hand it to the task",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    transaction.commit().await?;
    sign_up_by_repo("grace").await
}

#[sandboxed]
async fn to_code_that_tries_again_the_error_is_what_it_was(pool: SqlitePool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    one_impatient_connection(&pool).await?;
    sqlx::query("INSERT INTO guests (email) VALUES ('ada')")
        .execute(&mut *transaction)
        .await?;
    let failed = sign_up_by_repo("grace").await;
    let failed = failed.expect_err("the lock is taken");
    let database = failed.as_database_error().expect("the database's own");
    assert_eq!(database.code().as_deref(), Some("5"));
    assert_eq!(database.message(), "database is locked");
    assert!(database.try_downcast_ref::<SqliteError>().is_some());
    transaction.rollback().await?;
    sign_up_by_repo("grace").await
}

#[sandboxed]
async fn nobody_is_accused_of_a_write_that_is_over(pool: SqlitePool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (email) VALUES ('ada')")
        .execute(&mut *transaction)
        .await?;
    transaction.rollback().await?;
    sign_up_by_repo("ada").await?;
    // Locked, and not by anybody who has written: it is not known by whom.
    let holder = pool.begin_with("BEGIN IMMEDIATE").await?;
    one_impatient_connection(&pool).await?;
    let failed = sign_up_by_repo("grace").await;
    let failed = failed.expect_err("the lock is taken");
    assert!(
        failed.to_string().ends_with("database is locked"),
        "{failed}"
    );
    holder.rollback().await?;
    let twice = sign_up_by_repo("ada").await.expect_err("there is one");
    assert!(!twice.to_string().contains("in vain"), "{twice}");
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn a_wait_for_a_connection_that_the_test_holds_says_so(pool: PgPool) -> sqlx::Result<()> {
    let most = pool.options().get_max_connections();
    let mut held = Vec::new();
    for _ in 1..most {
        held.push(POSTGRES.acquire().await?);
    }
    let mut transaction = POSTGRES.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'ada')")
        .execute(&mut *transaction)
        .await?;
    let one = "SELECT 1";
    let task = owned(async move { sqlx::query(one).execute(&POSTGRES).await });
    let failed = tokio::spawn(task).await.expect("it ends");
    let failed = failed.expect_err("there is none");
    let Some(error @ Error::HeldByItself { holders, .. }) = Error::from_sqlx(&failed) else {
        panic!("another error: {failed:?}");
    };
    says(
        error,
        &[
            "waited in vain for repo `default`: all 10 connections of its pool are held by test `self_wait::a_wait_for_a_connection_that_the_test_holds_says_so` itself",
            "of repo `default` has a transaction open and has not been used for ",
            ", since it ran `INSERT INTO guests (id, email) VALUES (1, 'ada')`",
            "help: commit or drop what holds a connection before awaiting a task that needs one",
            "caused by: pool timed out",
        ],
    );
    assert_eq!(holders.len(), 1, "{holders:?}");
    transaction.commit().await?;
    sqlx::query(one).execute(&POSTGRES).await.map(drop)
}

#[sandboxed]
async fn a_transaction_within_the_tests_own_does_not_wait_for_it(pool: PgPool) -> sqlx::Result<()> {
    let mut outer = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'ada')")
        .execute(&mut *outer)
        .await?;
    let task = owned(async move {
        let mut inner = POSTGRES.begin().await?;
        sqlx::query("INSERT INTO guests (id, email) VALUES (2, 'grace')")
            .execute(&mut *inner)
            .await?;
        inner.commit().await
    });
    tokio::spawn(task).await.expect("it ends")?;
    outer.commit().await
}

#[sandboxed(isolation = "database")]
async fn a_wait_for_the_tests_own_lock_is_seen_as_such(pool: PgPool) -> sqlx::Result<()> {
    let insert = "INSERT INTO guests (id, email) VALUES (1, 'ada')";
    let mut outer = pool.begin().await?;
    sqlx::query(insert).execute(&mut *outer).await?;
    let task = owned(async move { sqlx::query(insert).execute(&POSTGRES).await });
    let waiting = tokio::spawn(task);
    let part = ", behind the transaction of another one (server process ";
    let started = Instant::now();
    let seen = loop {
        let seen = in_flight().await.concat();
        if seen.contains(part) {
            break seen;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "seen: {seen}");
        yield_now().await;
    };
    let last = format!(", since it ran `{insert}`)");
    assert!(seen.ends_with(&last), "{seen}");
    outer.rollback().await?;
    waiting.await.expect("it ends").map(drop)
}

/// Runs one of this file's tests by itself, in which it fails, and gives what it prints.
fn failing(test: &str) -> String {
    let program = std::env::current_exe().expect("a program");
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env(FAILS, "1")
        .output()
        .expect("it runs");
    assert!(!output.status.success(), "it was to fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a test is told that is to fail.
const FAILS: &str = "HEIRLOOM_TEST_FAILS";

fn is_to_fail() -> bool {
    std::env::var_os(FAILS).is_some()
}

#[sandboxed]
async fn a_failed_test_is_told_of_the_transaction_that_it_did_not_go_on_with(
    options: PgPoolOptions,
    connect: PgConnectOptions,
) -> sqlx::Result<()> {
    if !is_to_fail() {
        let name = "a_failed_test_is_told_of_the_transaction_that_it_did_not_go_on_with";
        let said = tokio::task::spawn_blocking(move || failing(name)).await;
        let said = said.expect("it ends");
        for part in [
            "connection 1 had a transaction open and was not used for ",
            ", since it ran `INSERT INTO guests (id, email) VALUES (1, 'ada')`. A task that needs a connection of the same pool waits",
        ] {
            assert!(said.contains(part), "`{part}` is missing in: {said}");
        }
        return Ok(());
    }
    let only = options.max_connections(1);
    let only = only.acquire_timeout(Duration::from_millis(1_100));
    let pool = only.connect_with(connect).await?;
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'ada')")
        .execute(&mut *transaction)
        .await?;
    let other = pool.clone();
    let task = async move { sqlx::query("SELECT 1").execute(&other).await };
    tokio::spawn(owned(task)).await.expect("it ends")?;
    transaction.commit().await
}

#[sandboxed]
async fn a_failed_test_is_told_of_the_write_that_it_did_not_commit(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    if !is_to_fail() {
        let name = "a_failed_test_is_told_of_the_write_that_it_did_not_commit";
        let said = tokio::task::spawn_blocking(move || failing(name)).await;
        let said = said.expect("it ends");
        let part = "a connection wrote to table `guests` and did not commit for ";
        assert!(said.contains(part), "`{part}` is missing in: {said}");
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    let insert = "INSERT INTO guests (email) VALUES ('ada')";
    sqlx::query(insert).execute(&mut *transaction).await?;
    let other = pool.clone();
    let task = async move { sqlx::query(insert).execute(&other).await };
    tokio::spawn(owned(task)).await.expect("it ends")?;
    transaction.commit().await
}
