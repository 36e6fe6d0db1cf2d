//! `isolation = "database"` on PostgreSQL: every test a database of its own, cloned from the migrated template.

use heirloom::{
    Checkout, Error, Isolation, IsolationLevel, Kept, Owner, Repo, Sandbox, sandboxed, unboxed,
};
use heirloom_tests::postgres::{connect, databases, exists, options_of, url};
use heirloom_tests::{MIGRATOR, failure_of, ours, says, test};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool, Postgres};
use std::time::Duration;

static REPO: Repo<Postgres> = Repo::new();

async fn count(pool: &PgPool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(pool);
    count.await.expect("a count")
}

async fn sign_up(pool: &PgPool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@example.org')");
    insert.bind(id).execute(pool).await.map(drop)
}

fn name_of(pool: &PgPool) -> String {
    let options = pool.connect_options();
    options.get_database().expect("a name").to_owned()
}

/// A fresh pool on the clone of a running test.
async fn pool(sandbox: &Sandbox) -> PgPool {
    sandbox.get().await.expect("a pool")
}

#[sandboxed(isolation = "database")]
async fn a_test_has_its_migrated_database(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(count(&pool).await, 0);
    sign_up(&pool, 1).await?;
    assert_eq!(count(&pool).await, 1);
    Ok(())
}

#[sandboxed(isolation = "database")]
async fn a_test_takes_any_number_of_fixtures(
    sandbox: Sandbox,
    owner: Owner,
    pool: PgPool,
    mut connection: PoolConnection<Postgres>,
    options: PgPoolOptions,
    connect: PgConnectOptions,
    both: (PgPoolOptions, PgConnectOptions),
) -> sqlx::Result<()> {
    assert_eq!(sandbox.owner(), &owner);
    assert_eq!(both.1.get_database(), connect.get_database());
    sqlx::query("INSERT INTO guests VALUES (1, 'ada@example.org')")
        .execute(&mut *connection)
        .await?;
    drop(connection);
    let own = options.max_connections(2).connect_with(connect).await?;
    assert_eq!((count(&own).await, count(&pool).await), (1, 1));
    own.close().await;
    Ok(())
}

#[sandboxed(isolation = "database")]
async fn a_listener_hears_what_the_test_notifies(
    pool: PgPool,
    mut listener: PgListener,
) -> sqlx::Result<()> {
    listener.listen("orders").await?;
    sqlx::query("NOTIFY orders, 'one'").execute(&pool).await?;
    let heard = listener.recv().await?;
    assert_eq!((heard.channel(), heard.payload()), ("orders", "one"));
    Ok(())
}

#[sandboxed(isolation = "database", fixtures("guests", "visits"))]
async fn fixtures_are_run_in_it(pool: PgPool) {
    assert_eq!(count(&pool).await, 2);
}

#[sandboxed(isolation = "database")]
async fn a_global_repo_is_the_tests_pool(pool: PgPool) -> sqlx::Result<()> {
    sign_up(&pool, 1).await?;
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&REPO)
        .await?;
    assert_eq!(seen, 1);
    let mut transaction = REPO.begin().await?;
    sqlx::query("DELETE FROM guests")
        .execute(&mut *transaction)
        .await?;
    assert_eq!(count(&pool).await, 1, "it is a real transaction");
    transaction.commit().await?;
    assert_eq!(count(&pool).await, 0, "and a real commit");
    Ok(())
}

#[sandboxed(isolation = "database")]
async fn what_has_to_be_real_is(pool: PgPool) -> sqlx::Result<()> {
    let (mut one, mut two) = (pool.begin().await?, pool.begin().await?);
    let pid = "SELECT pg_backend_pid()";
    let first: i32 = sqlx::query_scalar(pid).fetch_one(&mut *one).await?;
    let second: i32 = sqlx::query_scalar(pid).fetch_one(&mut *two).await?;
    assert_ne!(first, second);
    drop((one, two));
    sqlx::raw_sql("VACUUM guests").execute(&pool).await?;
    Ok(())
}

#[test]
fn a_named_repo_has_a_database_beside_the_main_one() {
    static ACCOUNTS: Repo<Postgres> = Repo::named("accounts").migrator(&MIGRATOR);
    drop(
        test("named")
            .isolation_database()
            .run(|sandbox: Sandbox| async move {
                let main = pool(&sandbox).await;
                sign_up(&main, 1).await?;
                let accounts = ACCOUNTS.pool().await?;
                assert_eq!(count(&accounts).await, 0);
                let name = name_of(&accounts);
                assert!(name.contains("_accounts_heirloom_"), "{name}");
                Ok(())
            }),
    );
}

#[test]
fn a_passed_tests_database_goes_and_a_failed_ones_is_named_and_stays() {
    let mut name = String::new();
    let seen = &mut name;
    let text = failure_of(|| {
        test("kept")
            .isolation_database()
            .run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                sign_up(&pool, 1).await?;
                *seen = name_of(&pool);
                panic!("after the insert");
                #[expect(unreachable_code, reason = "says the type")]
                Ok(())
            })
    });
    assert_eq!(text, "after the insert");
    let kept = name.clone();
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            let pool = PgPool::connect_with(options_of(&kept)).await.expect("kept");
            assert_eq!(count(&pool).await, 1);
            pool.close().await;
        });
    let seen = &mut name;
    drop(
        test("kept")
            .isolation_database()
            .run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                assert_eq!(count(&pool).await, 0);
                *seen = name_of(&pool);
                Ok(())
            }),
    );
    gone(&[name, kept]);
}

/// Databases are dropped in the background.
#[track_caller]
fn gone(databases: &[String]) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    heirloom_tests::wait_until(|| {
        for database in databases {
            if runtime.block_on(exists(database)) {
                return Err(format!("`{database}` is still there"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_fixture_that_fails_leaves_its_database_by_name() {
    let text = failure_of(|| {
        test("fixture_fails")
            .isolation_database()
            .fixture(
                "broken",
                "INSERT INTO guests VALUES (1, 'a'); SELECT nothing",
            )
            .run(|sandbox: Sandbox| async move {
                let error = sandbox.get::<PgPool>().await.expect_err("it failed");
                let Some(Error::Fixture {
                    kept: Some(Kept::Database { name, command }),
                    ..
                }) = error.downcast_ref()
                else {
                    panic!("another error: {error}");
                };
                assert!(exists(name).await);
                assert!(command.starts_with("psql -h ") && command.ends_with(name));
                panic!("{error}");
                #[expect(unreachable_code, reason = "says the type")]
                Ok(())
            })
    });
    for part in [
        "fixture `broken` of `fixture_fails` failed",
        "the database as it was then: `psql -h ",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn a_statement_in_flight_ends_when_the_time_is_up() {
    let mut name = String::new();
    let seen = &mut name;
    drop(
        test("endless")
            .isolation_database()
            .ownership_timeout(Duration::from_secs(2))
            .run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                *seen = name_of(&pool);
                let endless = sqlx::query("SELECT pg_sleep(600)");
                let error = endless.execute(&REPO).await.expect_err("it would not end");
                says(
                    ours(&error),
                    &[
                        "`endless`",
                        "held for longer than its `ownership_timeout` of 2s",
                    ],
                );
                // Nobody gets in any more, by whatever way.
                let shut = async || pool.connect_options().connect().await.is_err();
                heirloom::eventually(shut).await?;
                assert_eq!(REPO.checkout().await?, Checkout::New);
                assert_ne!(name_of(&REPO.pool().await?), *seen);
                Ok(())
            }),
    );
    gone(&[name]);
}

#[test]
fn a_connection_that_is_held_too_long_fails_the_test_and_keeps_its_database() {
    let mut held = None;
    let holds = &mut held;
    let text = failure_of(|| {
        test("holds")
            .isolation_database()
            .drain_timeout(Duration::from_millis(100))
            .run(|sandbox: Sandbox| async move {
                let pool = pool(&sandbox).await;
                let connection = pool.acquire().await?;
                *holds = Some((name_of(&pool), connection));
                Ok(())
            })
    });
    let (name, connection) = held.take().expect("held");
    for part in ["`holds` ended, but a connection of its pool", "100ms"] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    assert!(runtime.block_on(exists(&name)));
    let _inside = runtime.enter();
    drop(connection);
}

#[test]
fn a_checkout_can_ask_for_it() {
    static LEDGER: Repo<Postgres> = Repo::named("ledger").migrator(&MIGRATOR);
    drop(test("asks").run(|_: Sandbox| async move {
        let checkout = LEDGER.checkout().isolation(Isolation::Database);
        let level = IsolationLevel::Serializable;
        assert_eq!(checkout.isolation_level(level).await?, Checkout::New);
        let level: String = sqlx::query_scalar("SHOW transaction_isolation")
            .fetch_one(&LEDGER)
            .await?;
        assert_eq!(level, "serializable");
        Ok(())
    }));
}

#[test]
fn an_owner_by_hand_can_have_it_and_drops_it_at_its_stop() {
    drop(test("starts").run(|_: Sandbox| async move {
        use heirloom::FutureExt as _;
        let started = Owner::start("import")
            .isolation(Isolation::Database)
            .repo(&REPO);
        let owner = started.await?;
        let pool = async { REPO.pool().await }.owned_by(&owner).await?;
        sign_up(&pool, 1).await?;
        owner.stop().await?;
        sign_up(&pool, 2).await.expect_err("it is closed");
        Ok(())
    }));
}

#[test]
fn outside_the_sandbox_it_is_the_applications_own_database() {
    drop(
        test("outside")
            .isolation_database()
            .run(|sandbox: Sandbox| async move {
                let inside = name_of(&pool(&sandbox).await);
                let mut connection = connect(&url()).await;
                let base: String = sqlx::query_scalar("SELECT current_database()")
                    .fetch_one(&mut connection)
                    .await?;
                let outside = unboxed(|| async { REPO.pool().await.map(|pool| name_of(&pool)) });
                let outside = outside.await??;
                assert_ne!(outside, inside);
                assert_eq!(outside, base);
                Ok(())
            }),
    );
}

#[test]
fn a_statement_outside_the_sandbox_ends_when_the_time_is_up() {
    drop(
        test("outside_endless")
            .isolation_none()
            .ownership_timeout(Duration::from_millis(400))
            .run(|_: Sandbox| async move {
                let endless = sqlx::query("SELECT pg_sleep(600)");
                let error = endless.execute(&REPO).await.expect_err("it would not end");
                says(ours(&error), &["`ownership_timeout` of 400ms"]);
                Ok(())
            }),
    );
}

#[test]
fn a_clone_of_the_database_as_it_is_needs_no_migrations() {
    static AS_IT_IS: Repo<Postgres> = Repo::named("as-it-is");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let name = runtime.block_on(async {
        let mut connection = connect(&url()).await;
        let base: String = sqlx::query_scalar("SELECT current_database()")
            .fetch_one(&mut connection)
            .await
            .expect("a name");
        let name = format!("{base}_as-it-is");
        for sql in [
            format!("DROP DATABASE IF EXISTS \"{name}\""),
            format!("CREATE DATABASE \"{name}\""),
        ] {
            let sql = sqlx::AssertSqlSafe(sql);
            sqlx::raw_sql(sql)
                .execute(&mut connection)
                .await
                .expect("the right");
        }
        let pool = PgPool::connect_with(options_of(&name))
            .await
            .expect("there");
        sqlx::raw_sql("CREATE TABLE guests (id int); INSERT INTO guests VALUES (7)")
            .execute(&pool)
            .await
            .expect("a table");
        pool.close().await;
        name
    });
    drop(
        test("as_it_is")
            .isolation_database()
            .run(|_: Sandbox| async move {
                let pool = AS_IT_IS.pool().await?;
                assert_eq!(count(&pool).await, 1);
                sqlx::query("DELETE FROM guests").execute(&pool).await?;
                Ok(())
            }),
    );
    runtime.block_on(async {
        let pool = PgPool::connect_with(options_of(&name))
            .await
            .expect("there");
        assert_eq!(count(&pool).await, 1, "the original is untouched");
        pool.close().await;
    });
}

/// The private databases of a repo that no other test uses.
async fn clones_of(repo: &str) -> Vec<String> {
    let mut connection = connect(&url()).await;
    let base: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut connection)
        .await
        .expect("a name");
    databases(&format!("{base}_{repo}_heirloom_r")).await
}

#[test]
fn many_at_once_have_one_each_and_nothing_is_left() {
    static CROWD: Repo<Postgres> = Repo::named("crowd").migrator(&MIGRATOR);
    let tests: Vec<_> = (0..6)
        .map(|thread| {
            std::thread::spawn(move || {
                for round in 0..4 {
                    let one = test(&format!("crowd::{thread}_{round}")).isolation_database();
                    drop(one.run(|_: Sandbox| async move {
                        let pool = CROWD.pool().await?;
                        assert_eq!(count(&pool).await, 0);
                        sign_up(&pool, 1).await?;
                        assert_eq!(count(&pool).await, 1);
                        Ok(())
                    }));
                }
            })
        })
        .collect();
    for test in tests {
        test.join().expect("all pass");
    }
    none_left("crowd");
}

#[test]
fn a_checkout_that_is_given_up_leaves_nothing() {
    static HASTY: Repo<Postgres> = Repo::named("hasty").migrator(&MIGRATOR);
    for micros in [0, 100, 1_000, 5_000, 20_000, 60_000] {
        let hasty = test("hasty").isolation_database();
        drop(hasty.run(|_: Sandbox| async move {
            let patience = Duration::from_micros(micros);
            drop(tokio::time::timeout(patience, HASTY.pool()).await);
            Ok(())
        }));
    }
    none_left("hasty");
}

#[track_caller]
fn none_left(repo: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    heirloom_tests::wait_until(|| match runtime.block_on(clones_of(repo)) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?} are still there")),
    });
}
