//! A test's SQLite database: its own, real, migrated once, gone at the end.

use heirloom::{Repo, Sandbox};
use heirloom_tests::{failure_of, kept_of, test};
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Duration;

async fn pool(sandbox: &Sandbox) -> SqlitePool {
    sandbox.get().await.expect("a pool")
}

async fn sign_up(pool: &SqlitePool, email: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO guests (email) VALUES (?)")
        .bind(email)
        .execute(pool)
        .await
        .map(drop)
}

async fn guests(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(pool)
        .await
        .expect("a count")
}

fn file_of(pool: &SqlitePool) -> PathBuf {
    pool.connect_options().get_filename().to_owned()
}

#[test]
fn two_tests_insert_the_same_unique_key_at_once() {
    let both_inserted = Barrier::new(2);
    std::thread::scope(|threads| {
        for name in ["first", "second"] {
            let both_inserted = &both_inserted;
            threads.spawn(move || {
                test(name).run(|sandbox: Sandbox| async move {
                    let pool = pool(&sandbox).await;
                    sign_up(&pool, "ada@example.org").await?;
                    both_inserted.wait();
                    assert_eq!(guests(&pool).await, 1);
                    assert!(sign_up(&pool, "ada@example.org").await.is_err());
                    Ok(())
                })
            });
        }
    });
}

#[test]
fn every_fixture_of_a_test_is_the_same_database() {
    static REPO: Repo<Sqlite> = Repo::new();
    drop(test("same").run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        sign_up(&pool, "ada@example.org").await?;
        let mut connection: PoolConnection<Sqlite> = sandbox.get().await.expect("a connection");
        let (options, connect): (SqlitePoolOptions, SqliteConnectOptions) =
            sandbox.get().await.expect("options");
        let own = options.max_connections(1).connect_with(connect).await?;
        let count = "SELECT count(*) FROM guests";
        let by_repo: i64 = sqlx::query_scalar(count).fetch_one(&REPO).await?;
        let by_connection: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut *connection)
            .await?;
        assert_eq!((by_repo, by_connection, guests(&own).await), (1, 1, 1));
        Ok(())
    }));
}

#[test]
fn a_reader_is_not_blocked_by_an_open_write_transaction() {
    drop(test("wal").run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&pool)
            .await?;
        assert_eq!(mode, "wal");
        let mut writing = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO guests (email) VALUES ('ada@example.org')")
            .execute(&mut *writing)
            .await?;
        assert_eq!(
            guests(&pool).await,
            0,
            "not committed, so not seen by another connection"
        );
        writing.commit().await?;
        assert_eq!(guests(&pool).await, 1);
        Ok(())
    }));
}

#[test]
fn foreign_keys_and_rollback_are_real() {
    drop(test("real").run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        let orphan = sqlx::query("INSERT INTO visits VALUES (7, 'monday')")
            .execute(&pool)
            .await;
        assert!(orphan.is_err(), "foreign keys are on, sqlx's default");
        let mut transaction = pool.begin().await?;
        sqlx::query("INSERT INTO guests (email) VALUES ('ada@example.org')")
            .execute(&mut *transaction)
            .await?;
        transaction.rollback().await?;
        assert_eq!(guests(&pool).await, 0);
        Ok(())
    }));
}

#[test]
fn nothing_is_left_after_a_test_that_passed() {
    let mut file = PathBuf::new();
    let seen = &mut file;
    drop(test("passes").run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        sign_up(&pool, "ada@example.org").await?;
        *seen = file_of(&pool);
        assert!(seen.is_file());
        Ok(())
    }));
    assert!(!file.exists());
    assert!(!file.with_extension("sqlite-wal").exists());
    assert!(!file.with_extension("sqlite-shm").exists());
}

#[test]
fn a_failed_tests_database_is_kept_whole_and_the_next_run_replaces_it() {
    let mut file = PathBuf::new();
    let seen = &mut file;
    let text = failure_of(|| {
        test("kept").run(|sandbox: Sandbox| async move {
            let pool = pool(&sandbox).await;
            sign_up(&pool, "ada@example.org").await?;
            *seen = file_of(&pool);
            panic!("after the insert");
            #[expect(unreachable_code, reason = "says the type")]
            Ok(())
        })
    });
    assert_eq!(text, "after the insert");
    assert!(!file.exists(), "moved away from where running tests are");
    let kept = kept_of("kept", &file).expect("its path was printed");
    let emails = tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            let pool = SqlitePool::connect(kept.to_str().expect("text"))
                .await
                .expect("it opens");
            let emails: Vec<String> = sqlx::query_scalar("SELECT email FROM guests")
                .fetch_all(&pool)
                .await
                .expect("rows");
            pool.close().await;
            emails
        });
    assert_eq!(emails, ["ada@example.org"]);
    drop(test("kept").run(|sandbox: Sandbox| async move {
        assert_eq!(guests(&pool(&sandbox).await).await, 0);
        Ok(())
    }));
    assert!(
        !kept.exists(),
        "the test passes now, so there is nothing to look at"
    );
}

#[test]
fn tasks_threads_and_blocking_work_see_the_tests_rows() {
    static REPO: Repo<Sqlite> = Repo::new();
    async fn count() -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM guests")
            .fetch_one(&REPO)
            .await
            .expect("owned")
    }
    for multi_thread in [false, true] {
        let test = test("heirs");
        let test = if multi_thread {
            test.multi_thread().worker_threads(2)
        } else {
            test
        };
        drop(test.run(|sandbox: Sandbox| async move {
            sign_up(&pool(&sandbox).await, "ada@example.org").await?;
            // Not wrapped, as inside a dependency: the runtime's own threads are the test's.
            assert_eq!(
                tokio::spawn(async { tokio::spawn(count()).await }).await??,
                1
            );
            let handle = tokio::runtime::Handle::current();
            assert_eq!(
                tokio::task::spawn_blocking(move || handle.block_on(count())).await?,
                1
            );
            // A thread of nobody's needs the wrapper.
            let handle = tokio::runtime::Handle::current();
            let thread = heirloom::owned_fn(move || handle.block_on(count()));
            let joined = tokio::task::spawn_blocking(move || std::thread::spawn(thread).join());
            assert_eq!(joined.await?.expect("no panic"), 1);
            Ok(())
        }));
    }
}

#[test]
fn a_task_that_still_holds_a_connection_is_ended_with_its_test() {
    let mut file = PathBuf::new();
    let seen = &mut file;
    drop(test("holder").run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        *seen = file_of(&pool);
        let (holding, held) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let _connection = pool.acquire().await.expect("a connection");
            holding.send(()).expect("the test waits");
            std::future::pending::<()>().await;
        });
        held.await?;
        Ok(())
    }));
    assert!(!file.exists());
}

#[test]
fn a_connection_that_another_runtime_holds_fails_the_test_by_name() {
    let elsewhere = tokio::runtime::Runtime::new().expect("a runtime");
    let there = elsewhere.handle().clone();
    let text = failure_of(|| {
        test("leaks")
            .drain_timeout(Duration::from_millis(50))
            .run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                let (holding, held) = tokio::sync::oneshot::channel();
                there.spawn(async move {
                    let _connection = pool.acquire().await.expect("a connection");
                    holding.send(()).expect("the test waits");
                    std::future::pending::<()>().await;
                });
                held.await?;
                Ok(())
            })
    });
    for part in [
        "`leaks` ended",
        "connection",
        "50ms",
        "help:",
        "drain_timeout",
        file!(),
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    elsewhere.shutdown_background();
}

#[test]
fn fixtures_run_in_order_before_anything_else() {
    let test = test("fixtures")
        .fixture(
            "guests",
            "INSERT INTO guests VALUES (1, 'ada@example.org'), (2, 'bob@example.org')",
        )
        .fixture(
            "visits",
            "INSERT INTO visits VALUES (1, 'monday'); INSERT INTO visits VALUES (2, 'tuesday')",
        );
    drop(test.run(|sandbox: Sandbox| async move {
        let pool = pool(&sandbox).await;
        let visits: i64 = sqlx::query_scalar("SELECT count(*) FROM visits")
            .fetch_one(&pool)
            .await?;
        assert_eq!((guests(&pool).await, visits), (2, 2));
        Ok(())
    }));
}

#[test]
fn a_fixture_that_fails_is_named_with_the_databases_words() {
    let run = test("bad_fixture").fixture("typo", "INSERT INTO guestz VALUES (1)");
    let text = failure_of(|| {
        run.run(|sandbox: Sandbox| async move {
            let pool = heirloom::__private::argument::<SqlitePool>(
                &sandbox,
                "pool: SqlitePool",
                heirloom::Place {
                    file: "story.rs",
                    line: 3,
                    column: 7,
                },
            );
            pool.await.map(drop)
        })
    });
    for part in [
        "`pool: SqlitePool`",
        "story.rs:3:7",
        "`typo`",
        "`bad_fixture`",
        "no such table: guestz",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn migrations_come_from_where_the_test_says() {
    static OTHER: Migrator = sqlx::migrate!("./schemas/other");
    async fn tables(sandbox: Sandbox) -> Result<Vec<String>, heirloom::BoxError> {
        let pool: SqlitePool = sandbox.get().await?;
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '_sqlx%' ORDER BY name";
        Ok(sqlx::query_scalar(sql).fetch_all(&pool).await?)
    }
    let cases = [
        (test("package"), vec!["guests", "visits"]),
        (
            test("directory").migrations_dir("schemas/other"),
            vec!["ledger"],
        ),
        (test("migrator").migrator(&OTHER), vec!["ledger"]),
        (test("none").no_migrations(), vec![]),
    ];
    for (test, expected) in cases {
        drop(test.run(|sandbox| async move {
            assert_eq!(tables(sandbox).await.expect("tables"), expected);
            Ok(())
        }));
    }
}

#[test]
fn a_named_repo_is_another_database_with_its_own_migrations() {
    static OTHER: Migrator = sqlx::migrate!("./schemas/other");
    static MAIN: Repo<Sqlite> = Repo::new();
    static LEDGER: Repo<Sqlite> = Repo::named("ledger").migrator(&OTHER);
    drop(test("two_repos").run(|_: Sandbox| async move {
        sqlx::query("INSERT INTO guests (email) VALUES ('ada@example.org')")
            .execute(&MAIN)
            .await?;
        sqlx::query("INSERT INTO ledger VALUES ('one')")
            .execute(&LEDGER)
            .await?;
        assert!(
            sqlx::query("SELECT * FROM ledger")
                .execute(&MAIN)
                .await
                .is_err()
        );
        assert!(
            sqlx::query("SELECT * FROM guests")
                .execute(&LEDGER)
                .await
                .is_err()
        );
        Ok(())
    }));
}

#[test]
fn one_database_with_two_schemas_is_an_error_that_names_both() {
    static OTHER: Migrator = sqlx::migrate!("./schemas/other");
    static REPO: Repo<Sqlite> = Repo::new().migrator(&OTHER);
    drop(test("differ").run(|sandbox: Sandbox| async move {
        pool(&sandbox).await;
        let error = REPO.pool().await.expect_err("opened with another schema");
        let text = error.to_string();
        for part in [
            "`default`",
            "`differ`",
            "migrations",
            "compiled-in",
            "help:",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        Ok(())
    }));
}

#[test]
fn a_kept_database_is_whole_without_its_log() {
    for round in 0..20 {
        let mut file = PathBuf::new();
        let seen = &mut file;
        drop(failure_of(|| {
            test("whole").run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                file_of(&pool).clone_into(seen);
                sign_up(&pool, "ada@example.org").await?;
                Err::<(), _>(std::io::Error::other("after the insert").into())
            })
        }));
        let kept = kept_of("whole", &file).expect("kept");
        let alone = kept.with_extension("copy");
        std::fs::copy(&kept, &alone).expect("a copy of the one file that is named");
        let emails = tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(async {
                let pool = SqlitePool::connect(alone.to_str().expect("text"))
                    .await
                    .expect("it opens");
                let emails = guests(&pool).await;
                pool.close().await;
                emails
            });
        std::fs::remove_file(&alone).expect("removed");
        assert_eq!(emails, 1, "in round {round}");
    }
    drop(test("whole").run(|sandbox: Sandbox| async move {
        pool(&sandbox).await;
        Ok(())
    }));
}

#[test]
fn what_is_left_of_a_test_opens_no_new_session() {
    let mut kept = None;
    let late = &mut kept;
    drop(test("ended").run(|sandbox: Sandbox| async move {
        *late = Some(sandbox);
        Ok(())
    }));
    let sandbox = kept.expect("set");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let error = runtime
        .block_on(sandbox.get::<SqlitePool>())
        .expect_err("it has ended");
    assert!(error.to_string().contains("`ended`"), "{error}");
}

#[test]
fn a_plain_function_uses_its_pool_for_as_long_as_it_likes() {
    drop(test("plain").run_blocking(
        |sandbox: Sandbox| async move { Ok(pool(&sandbox).await) },
        |pool: SqlitePool| {
            let runtime = tokio::runtime::Handle::current();
            for id in 0..50 {
                runtime
                    .block_on(sign_up(&pool, &format!("guest-{id}@example.org")))
                    .expect("an insert");
            }
            let spawned = runtime.spawn(async move { guests(&pool).await });
            assert_eq!(runtime.block_on(spawned).expect("no panic"), 50);
        },
    ));
}

#[test]
fn a_fixture_that_fails_leaves_its_database_to_look_at() {
    let run = test("left").fixture(
        "half",
        "INSERT INTO guests VALUES (1, 'ada@example.org'); SELECT nonsense",
    );
    let text = failure_of(|| {
        run.run(|sandbox: Sandbox| async move {
            sandbox
                .get::<SqlitePool>()
                .await
                .map(drop)
                .map_err(std::io::Error::other)?;
            Ok(())
        })
    });
    let (_, path) = text.split_once("as it was then: ").expect("it says where");
    let path = path.lines().next().expect("a path");
    assert!(std::path::Path::new(path).is_file(), "{text}");
}

#[test]
fn a_transaction_that_is_never_committed_is_refused_with_the_remedy() {
    let asks = test("asks").isolation_transaction();
    drop(asks.run(|sandbox: Sandbox| async move {
        let error = sandbox
            .get::<SqlitePool>()
            .await
            .expect_err("not on SQLite");
        let text = error.to_string();
        for part in [
            "`asks`",
            "isolation `transaction`",
            "SQLite",
            "leave `isolation` out",
        ] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
        Ok(())
    }));
}
