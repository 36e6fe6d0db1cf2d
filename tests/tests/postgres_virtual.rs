//! PostgreSQL's default: a test has one session in a transaction that is never committed, and any number of virtual
//! connections to it.

use heirloom::{Checkin, Checkout, Owner, Repo, Sandbox, owned_task, sandboxed, unboxed};
use heirloom_tests::postgres::{connect, url};
use heirloom_tests::{failure_of, test};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Postgres};

static REPO: Repo<Postgres> = Repo::new();

async fn count(pool: &PgPool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(pool);
    count.await.expect("a count")
}

async fn sign_up(pool: &PgPool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@example.org')");
    insert.bind(id).execute(pool).await.map(drop)
}

#[sandboxed]
async fn a_test_sees_what_it_writes(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(count(&pool).await, 0);
    sign_up(&pool, 1).await?;
    assert_eq!(count(&pool).await, 1);
    Ok(())
}

#[sandboxed]
async fn no_test_sees_another_ones(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(count(&pool).await, 0);
    sign_up(&pool, 1).await?;
    assert_eq!(count(&pool).await, 1);
    Ok(())
}

#[sandboxed]
async fn nothing_is_ever_committed(pool: PgPool) -> sqlx::Result<()> {
    sign_up(&pool, 1).await?;
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (2, 'two')")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    assert_eq!(count(&pool).await, 2);
    let database: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&pool)
        .await?;
    let options = url().parse::<PgConnectOptions>()?.database(&database);
    let mut outside = PgConnection::connect_with(&options).await?;
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&mut outside)
        .await?;
    assert_eq!(seen, 0);
    Ok(())
}

/// A transaction in which a statement fails, and the next one.
async fn fails_in_a_transaction(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    for (sql, code) in [
        ("SELECT 1 / 0", "22012"),
        ("SELECT 1", "25P02"),
        ("SELECT 1", "25P02"),
    ] {
        let error = transaction.execute(sql).await.expect_err("it is refused");
        let error = error.into_database_error().expect("of the database");
        assert_eq!(error.code().as_deref(), Some(code), "{error}");
    }
    transaction.rollback().await?;
    let mut next = connection.begin().await?;
    next.execute("SELECT 1").await?;
    next.commit().await
}

#[sandboxed]
async fn a_failed_statement_aborts_its_transaction_and_the_next_one_works(
    pool: PgPool,
) -> sqlx::Result<()> {
    sign_up(&pool, 1).await?;
    fails_in_a_transaction(&mut *pool.acquire().await?).await?;
    assert_eq!(count(&pool).await, 1);
    Ok(())
}

#[sandboxed]
async fn outside_of_the_sandbox_it_aborts_its_transaction_too(_pool: PgPool) -> sqlx::Result<()> {
    let outside = unboxed(async || {
        let pool = REPO.pool().await.expect("a pool");
        fails_in_a_transaction(&mut *pool.acquire().await?).await
    });
    outside.await.expect("it is over")
}

#[sandboxed]
async fn a_failed_statement_takes_nothing_with_it(pool: PgPool) -> sqlx::Result<()> {
    sign_up(&pool, 1).await?;
    let error = sign_up(&pool, 1).await.expect_err("it is there already");
    let error = error.into_database_error().expect("of the database");
    assert_eq!(error.constraint(), Some("guests_pkey"));
    assert_eq!(count(&pool).await, 1);
    Ok(())
}

#[sandboxed]
async fn a_pool_may_be_used_while_a_transaction_is_open(pool: PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'one')")
        .execute(&mut *transaction)
        .await?;
    sign_up(&pool, 2).await?;
    assert_eq!(count(&pool).await, 2);
    transaction.commit().await?;
    assert_eq!(count(&pool).await, 2);
    Ok(())
}

#[sandboxed]
async fn a_rolled_back_transaction_is_gone(pool: PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'one')")
        .execute(&mut *transaction)
        .await?;
    let mut inner = transaction.begin().await?;
    inner
        .execute("INSERT INTO guests (id, email) VALUES (2, 'two')")
        .await?;
    inner.rollback().await?;
    let within: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&mut *transaction)
        .await?;
    assert_eq!(within, 1);
    drop(transaction);
    assert_eq!(count(&pool).await, 0);
    Ok(())
}

#[owned_task]
fn spawn_sign_up(id: i32) -> tokio::task::JoinHandle<sqlx::Result<()>> {
    tokio::spawn(async move {
        sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@spawned')")
            .bind(id)
            .execute(&REPO)
            .await
            .map(drop)
    })
}

#[sandboxed]
async fn what_is_spawned_uses_the_same_session(pool: PgPool) -> sqlx::Result<()> {
    // Keys of its own: in whatever order they come, no other test waits for one while this one waits for another.
    let tasks: Vec<_> = (2000..2020).map(spawn_sign_up).collect();
    for task in tasks {
        task.await.expect("it does not panic")?;
    }
    assert_eq!(count(&pool).await, 20);
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn several_threads_share_the_session(pool: PgPool) -> sqlx::Result<()> {
    let tasks: Vec<_> = (1000..1050).map(spawn_sign_up).collect();
    for task in tasks {
        task.await.expect("it does not panic")?;
    }
    assert_eq!(count(&pool).await, 50);
    Ok(())
}

#[sandboxed]
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

#[sandboxed]
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

#[test]
fn a_lost_write_fails_the_test() {
    let text = failure_of(|| {
        test("diverges").run(|sandbox: Sandbox| async move {
            let pool: PgPool = sandbox.get().await.expect("a pool");
            let transaction = pool.begin().await.expect("it begins");
            sqlx::query("CREATE TEMP TABLE t (a int)")
                .execute(&pool)
                .await
                .expect("it is made");
            transaction.rollback().await.expect("it ends");
            Ok(())
        })
    });
    assert!(text.contains("`CREATE TABLE` of connection"), "{text}");
    assert!(text.contains("isolation = \"database\""), "{text}");
}

#[sandboxed]
async fn another_connection_is_refused_without_the_token(pool: PgPool) {
    let options = (*pool.connect_options()).clone().username("somebody");
    let error = PgConnection::connect_with(&options)
        .await
        .expect_err("nobody");
    let text = error.to_string();
    assert!(text.contains("not the token of a running test"), "{text}");
}

#[sandboxed]
async fn the_real_server_is_not_changed(_pool: PgPool) {
    let mut outside = connect(&url()).await;
    outside.ping().await.expect("it is there");
}

/// The test's own thread waits for the program, and with it whatever the test's runtime serves.
#[sandboxed]
async fn another_process_is_served_while_the_test_is_blocked(sandbox: Sandbox, pool: PgPool) {
    sign_up(&pool, 1).await.expect("a row");
    let url = sandbox.database_url().await.expect("a session");
    for (statement, seen) in [
        ("SELECT count(*) FROM guests", "1"),
        (
            "INSERT INTO guests (id, email) VALUES (2, 'psql')",
            "INSERT 0 1",
        ),
    ] {
        let psql = std::process::Command::new("psql")
            .args(["-X", "-A", "-t", "-c", statement, &url])
            .output()
            .expect("psql is there");
        let said = String::from_utf8_lossy(&psql.stdout);
        assert_eq!(said.trim(), seen, "{psql:?}");
    }
    assert_eq!(count(&pool).await, 2);
}

#[test]
fn a_session_has_the_level_that_is_asked_for() {
    use heirloom::IsolationLevel::{ReadCommitted, RepeatableRead, Serializable};
    let levels = [
        (Serializable, "serializable"),
        (ReadCommitted, "read committed"),
        (RepeatableRead, "repeatable read"),
        (ReadCommitted, "read committed"),
    ];
    drop(test("levels").run(|_: Sandbox| async move {
        // A session that was used before, and reset, is one that has to be told.
        for (level, name) in levels {
            let checkout = REPO.checkout().isolation_level(level).await?;
            assert_eq!(checkout, Checkout::New);
            let shown: String = sqlx::query_scalar("SHOW transaction_isolation")
                .fetch_one(&REPO)
                .await?;
            assert_eq!(shown, name);
            assert_eq!(REPO.checkin().await?, Checkin::Ok);
        }
        Ok(())
    }));
}

#[test]
fn what_connections_of_one_test_begin_with_is_not_another_ones() {
    async fn name(connection: &mut PgConnection) -> sqlx::Result<String> {
        let name = sqlx::query_scalar("SHOW application_name");
        name.fetch_one(connection).await
    }
    for own in ["one", "two", "one", "one"] {
        drop(test("settings").run(|sandbox: Sandbox| async move {
            let options: PgConnectOptions = sandbox.get().await.expect("options");
            let named = options.clone().application_name(own);
            let mut first = PgConnection::connect_with(&named).await?;
            let mut second = PgConnection::connect_with(&options).await?;
            assert_eq!(name(&mut first).await?, own);
            assert_eq!(name(&mut second).await?, "heirloom");
            first.execute("SET application_name = 'other'").await?;
            assert_eq!(name(&mut first).await?, "other");
            first.execute("RESET application_name").await?;
            assert_eq!(name(&mut first).await?, own);
            assert_eq!(name(&mut second).await?, "heirloom");
            Ok(())
        }));
    }
}

/// A wait for another test's lock ends, whatever others have set for themselves.
#[sandboxed]
async fn a_connections_lock_timeout_is_its_own(pool: PgPool) -> sqlx::Result<()> {
    async fn limit(connection: &mut PgConnection) -> sqlx::Result<String> {
        let limit = sqlx::query_scalar("SHOW lock_timeout");
        limit.fetch_one(connection).await
    }
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    one.execute("SET lock_timeout = '3s'").await?;
    assert_eq!(limit(&mut other).await?, "10s");
    assert_eq!(limit(&mut one).await?, "3s");
    for back in [
        "RESET lock_timeout",
        "SET lock_timeout TO DEFAULT",
        "RESET ALL",
    ] {
        one.execute("SET lock_timeout = '3s'").await?;
        one.execute(back).await?;
        assert_eq!(limit(&mut one).await?, "10s", "{back}");
        assert_eq!(limit(&mut other).await?, "10s", "{back}");
    }
    Ok(())
}
