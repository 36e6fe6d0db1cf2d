//! Tests that wait for each other's locks: the error names both, and what they want.

use heirloom::{FutureExt as _, Owner, Repo, Sandbox, sandboxed, unique};
use heirloom_tests::postgres::options_of;
use heirloom_tests::test;
use sqlx::postgres::PgDatabaseError;
use sqlx::{Connection as _, PgPool, Postgres};
use std::collections::HashSet;

static REPO: Repo<Postgres> = Repo::new();

/// The error of a statement, and its hint.
async fn refused(pool: &PgPool, sql: &'static str) -> (String, String) {
    let error = sqlx::raw_sql(sql).execute(pool).await;
    let error = error
        .expect_err("somebody else holds it")
        .into_database_error();
    let error = error.expect("the server's").downcast::<PgDatabaseError>();
    let hint = error.hint().unwrap_or_default().to_owned();
    println!("{}: {}\n{hint}\n", error.code(), error.message());
    (error.code().to_owned(), hint)
}

#[track_caller]
fn says(hint: &str, parts: &[&str]) {
    for part in parts {
        assert!(hint.contains(part), "`{part}` is missing in: {hint}");
    }
}

/// A second owner, which holds what it did.
async fn other(name: &str, sql: &'static str) -> heirloom::StartedOwner {
    let owner = Owner::start(name).repo(&REPO).await.expect("it starts");
    let does = async { sqlx::raw_sql(sql).execute(&REPO).await };
    does.owned_by(&owner).await.expect("nobody else is there");
    owner
}

#[sandboxed]
async fn the_same_unique_key_names_both_tests_and_the_constraint(pool: PgPool) -> sqlx::Result<()> {
    let owner = other(
        "locks::first",
        "INSERT INTO guests VALUES (-1, 'same@locks')",
    )
    .await;
    let (code, hint) = refused(
        &pool,
        "SET lock_timeout = '4s'; INSERT INTO guests VALUES (-2, 'same@locks')",
    )
    .await;
    assert_eq!(code, "55P03");
    says(
        &hint,
        &[
            "Test `postgres_locks::the_same_unique_key",
            "a value of the unique key `guests_email_key`",
            "test `locks::first`",
            "heirloom::unique",
            "isolation = \"database\"",
        ],
    );
    owner.stop().await.expect("it ends");
    // And with its end it is free.
    sqlx::query("INSERT INTO guests VALUES (-2, 'same@locks')")
        .execute(&pool)
        .await?;
    Ok(())
}

#[sandboxed]
async fn a_table_that_another_test_has_locked_is_named(pool: PgPool) -> sqlx::Result<()> {
    let owner = other("locks::table", "CREATE INDEX ON visits (day)").await;
    let (code, hint) = refused(
        &pool,
        "SET lock_timeout = '4s'; LOCK TABLE visits IN EXCLUSIVE MODE",
    )
    .await;
    assert_eq!(code, "55P03");
    says(&hint, &["table `visits`", "test `locks::table`"]);
    let (code, hint) = refused(
        &pool,
        "SELECT 1; LOCK TABLE visits IN EXCLUSIVE MODE NOWAIT",
    )
    .await;
    assert_eq!(code, "55P03");
    says(&hint, &["another test"]);
    owner.stop().await.expect("it ends");
    Ok(())
}

#[sandboxed]
async fn a_deadlock_names_the_other_test(pool: PgPool) -> sqlx::Result<()> {
    let owner = other(
        "locks::deadlock",
        "INSERT INTO guests VALUES (-11, 'a@deadlock')",
    )
    .await;
    sqlx::query("INSERT INTO guests VALUES (-12, 'b@deadlock')")
        .execute(&pool)
        .await?;
    let theirs = async {
        sqlx::raw_sql("INSERT INTO guests VALUES (-12, 'c@deadlock')")
            .execute(&REPO)
            .await
    };
    let ours = sqlx::raw_sql("INSERT INTO guests VALUES (-11, 'd@deadlock')").execute(&pool);
    // One of them is chosen; the other has what it wanted, or waits on for the first one's row.
    let theirs = tokio::spawn(theirs.owned_by(&owner));
    let ours = ours.await;
    let Err(error) = ours else {
        unreachable!("the other's row is there until its end")
    };
    let error = error.into_database_error().expect("the server's");
    let error = error.downcast::<PgDatabaseError>();
    println!("{}: {:?}", error.code(), error.hint());
    assert!(["40P01", "55P03"].contains(&error.code()), "{error:?}");
    let hint = error.hint().unwrap_or_default();
    says(
        hint,
        &["test `locks::deadlock`", "a_deadlock_names_the_other_test"],
    );
    theirs.abort();
    owner.stop().await.ok();
    Ok(())
}

#[sandboxed]
async fn a_session_of_another_process_is_told_by_what_it_does(pool: PgPool) -> sqlx::Result<()> {
    let options = pool.connect_options();
    let inside = options_of(options.get_database().expect("a name")).application_name("h_psql");
    let mut inside = sqlx::PgConnection::connect_with(&inside).await?;
    let mut transaction = inside.begin().await?;
    sqlx::query("INSERT INTO guests VALUES (-21, 'outside@locks')")
        .execute(&mut *transaction)
        .await?;
    let (_, hint) = refused(
        &pool,
        "SET lock_timeout = '4s'; INSERT INTO guests VALUES (-22, 'outside@locks')",
    )
    .await;
    says(
        &hint,
        &["another process", "application `h_psql`", "outside@locks"],
    );
    transaction.rollback().await?;
    Ok(())
}

#[test]
fn unique_strings_are_short_words_and_never_the_same() {
    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..10_000).map(|_| unique("guest")).collect::<Vec<_>>()))
        .collect();
    let mut all = HashSet::new();
    for thread in threads {
        for word in thread.join().expect("no panic") {
            assert!(word.starts_with("guest") && word.len() <= 5 + 20, "{word}");
            assert!(
                word.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{word}"
            );
            assert!(all.insert(word), "twice");
        }
    }
    assert_eq!(all.len(), 40_000);
}

#[test]
fn tests_with_unique_keys_do_not_wait_for_each_other() {
    let one = |sandbox: Sandbox| async move {
        let pool: PgPool = sandbox.get().await.expect("a pool");
        let insert = sqlx::query("INSERT INTO guests VALUES (abs(hashtext($1)), $1)");
        insert
            .bind(unique("ada") + "@example.org")
            .execute(&pool)
            .await?;
        sqlx::Result::Ok(())
    };
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || drop(test(&format!("locks::unique_{number}")).run(one)));
        }
    });
}
