//! `&REPO` goes where `&pool` goes, and belongs to whoever uses it.

use heirloom::{Error, Mode, Repo, Sandbox};
use heirloom_tests::{failure_of, test};
use sqlx::sqlite::SqliteRow;
use sqlx::{Acquire, Executor, Row as _, Sqlite, SqlitePool};
use std::time::Duration;

static REPO: Repo<Sqlite> = Repo::new();

const INSERT: &str = "INSERT INTO guests (email) VALUES ('ada@example.org')";
const COUNT: &str = "SELECT count(*) FROM guests";

#[test]
fn it_is_an_executor_in_every_form() {
    drop(test("executor").run(|_: Sandbox| async move {
        assert_eq!(sqlx::query(INSERT).execute(&REPO).await?.rows_affected(), 1);
        let count: i64 = sqlx::query_scalar(COUNT).fetch_one(&REPO).await?;
        assert_eq!(count, 1);
        assert!(
            sqlx::query("SELECT 1 WHERE 0")
                .fetch_optional(&REPO)
                .await?
                .is_none()
        );
        let rows: Vec<SqliteRow> = REPO.fetch_all("SELECT 1 UNION SELECT 2").await?;
        assert_eq!(
            rows.iter()
                .map(|row| row.get::<i64, _>(0))
                .collect::<Vec<_>>(),
            [1, 2]
        );
        let prepared = REPO.prepare(sqlx::SqlSafeStr::into_sql_str(COUNT)).await?;
        assert_eq!(sqlx::Statement::columns(&prepared).len(), 1);
        let described = REPO.describe(sqlx::SqlSafeStr::into_sql_str(COUNT)).await?;
        assert_eq!(described.columns().len(), 1);
        sqlx::raw_sql("DELETE FROM guests; DELETE FROM visits")
            .execute(&REPO)
            .await?;
        let checked = sqlx::query!("SELECT count(*) AS guests FROM guests")
            .fetch_one(&REPO)
            .await?;
        assert_eq!(checked.guests, 0);
        Ok(())
    }));
}

#[test]
fn it_is_acquired_begun_and_passed_to_generic_code() {
    async fn twice<'a>(database: impl Acquire<'a, Database = Sqlite>) -> sqlx::Result<()> {
        let mut transaction = database.begin().await?;
        sqlx::query(INSERT).execute(&mut *transaction).await?;
        transaction.commit().await
    }
    drop(test("acquire").run(|_: Sandbox| async move {
        twice(&REPO).await?;
        let mut connection = REPO.acquire().await?;
        let count: i64 = sqlx::query_scalar(COUNT)
            .fetch_one(&mut *connection)
            .await?;
        assert_eq!(count, 1);
        drop(connection);
        let mut transaction = REPO.begin().await?;
        sqlx::query("DELETE FROM guests")
            .execute(&mut *transaction)
            .await?;
        transaction.rollback().await?;
        let mut transaction = REPO.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE guests SET email = 'bob@example.org'")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let email: String = sqlx::query_scalar("SELECT email FROM guests")
            .fetch_one(&REPO)
            .await?;
        assert_eq!(email, "bob@example.org");
        Ok(())
    }));
}

#[test]
fn a_query_belongs_to_whoever_made_it_not_to_whoever_polls_it() {
    drop(test("makes").run(|_: Sandbox| async move {
        sqlx::query(INSERT).execute(&REPO).await?;
        let count = sqlx::query_scalar::<_, i64>(COUNT).fetch_one(&REPO);
        let elsewhere = std::thread::spawn(|| {
            drop(test("polls").run(|sandbox: Sandbox| async move {
                let count = sqlx::query_scalar::<_, i64>(COUNT).fetch_one(&REPO).await?;
                assert_eq!((sandbox.name(), count), ("polls", 0));
                Ok(())
            }));
        });
        assert_eq!(count.await?, 1);
        elsewhere.join().expect("the other test passes");
        Ok(())
    }));
}

#[test]
fn nobodys_use_is_an_ownership_error_with_the_trail() {
    drop(test("starts_the_suite").run(|_: Sandbox| async { Ok(()) }));
    assert_eq!(REPO.mode(), Mode::Manual);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let error = runtime
        .block_on(async {
            tokio::spawn(async { sqlx::query(COUNT).fetch_one(&REPO).await.map(drop) }).await
        })
        .expect("no panic")
        .expect_err("nobody's");
    let ownership = Error::from_sqlx(&error).expect("downcast");
    assert!(matches!(ownership, Error::Ownership { .. }));
    for text in [ownership.to_string(), format!("{error:?}")] {
        for part in [
            "nobody owns this use of repo `default`",
            "tokio task",
            "1. a scope or owned task around this code: none entered",
            "`Manual`",
            "help: put `#[owned_task]`",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
    let asked = runtime
        .block_on(REPO.pool())
        .expect_err("nobody's")
        .to_string();
    assert!(asked.contains(&format!(", at {}", file!())), "{asked}");
}

#[test]
fn an_owner_whose_test_ended_is_named() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut outlives = None;
    let late = &mut outlives;
    let left = failure_of(|| {
        let impatient = test("story::leaves_a_task").drain_timeout(Duration::from_millis(20));
        impatient.run(|_: Sandbox| async move {
            *late = Some(heirloom::owned(async {
                sqlx::query(COUNT).fetch_one(&REPO).await.map(drop)
            }));
            Ok(())
        })
    });
    assert!(left.contains("had not settled after 20ms"), "{left}");
    let error = runtime.block_on(outlives.expect("set")).expect_err("ended");
    let ended = Error::from_sqlx(&error).expect("downcast");
    assert!(matches!(ended, Error::OwnerEnded { .. }));
    let text = ended.to_string();
    for part in [
        "`default`",
        "outlived its test",
        "`story::leaves_a_task`",
        file!(),
        "ago",
        "help:",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn starting_the_application_inside_a_test_keeps_the_tests_session() {
    static STARTED: Repo<Sqlite> = Repo::new();
    drop(test("starts_up").run(|_: Sandbox| async move {
        STARTED.connect("sqlite:///nowhere/at/all.sqlite").await?;
        STARTED.init(SqlitePool::connect_lazy("sqlite::memory:")?)?;
        sqlx::query(INSERT).execute(&STARTED).await?;
        Ok(())
    }));
    assert!(
        format!("{STARTED:?}").contains("connected: false"),
        "{STARTED:?}"
    );
}

#[test]
fn public_futures_are_send_and_static() {
    fn send<T: Send + 'static>(_: T) {}
    fn sync<T: Send + Sync>() {}
    send(REPO.pool());
    send(REPO.acquire());
    send(REPO.begin());
    send(heirloom::owned(async {}));
    send(test("x"));
    sync::<Repo<Sqlite>>();
    sync::<heirloom::Owner>();
    sync::<Sandbox>();
    sync::<Error>();
}
