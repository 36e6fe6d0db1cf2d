//! What of a test's database calls is under way: seen from the first poll of its future until that is woken for the
//! result, and nothing else.

use futures_util::StreamExt as _;
use heirloom::__private::in_flight;
use heirloom::{Repo, sandboxed};
use heirloom_tests::postgres::options_of;
use heirloom_tests::postgres::raw::{Raw, extended, query};
use sqlx::postgres::{PgListener, PgPoolCopyExt as _};
use sqlx::{
    Acquire as _, Connection as _, Database, PgConnection, PgPool, Pool, Postgres, Sqlite,
    SqlitePool,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::task::yield_now;

/// Whether whoever waits was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs a call by hand: whenever it is left waiting, it is to be seen until it is woken.
async fn watched<F: Future>(call: F) -> F::Output {
    // A task that has had its share is called again at the runtime's next look around, without being woken.
    let mut call = pin!(tokio::task::unconstrained(call));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        woken.0.store(false, Ordering::SeqCst);
        if let Poll::Ready(done) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        loop {
            let seen = in_flight().await;
            if woken.0.load(Ordering::SeqCst) {
                break;
            }
            assert!(!seen.is_empty(), "a call is under way and not seen");
            yield_now().await;
        }
    }
}

/// Waits until nothing is under way.
async fn nothing_is_under_way() {
    let started = Instant::now();
    loop {
        let seen = in_flight().await;
        if seen.is_empty() {
            return;
        }
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(20), "under way: {seen:?}");
        yield_now().await;
    }
}

/// Waits until sqlx has put back every connection, for which it spawns a task: until then one who wants a connection may
/// wait for that task, and for nothing in the database.
async fn all_is_back<DB: Database>(pool: &Pool<DB>) {
    while pool.num_idle() < pool.size() as usize {
        yield_now().await;
    }
}

/// Waits until something is seen that says all of this.
async fn until_seen(parts: &[&str]) -> String {
    let started = Instant::now();
    loop {
        let seen = in_flight().await;
        let found = seen
            .iter()
            .find(|line| parts.iter().all(|part| line.contains(part)));
        if let Some(found) = found {
            return found.clone();
        }
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(20), "under way: {seen:?}");
        yield_now().await;
    }
}

async fn a_thousand_on_postgres(pool: PgPool) -> sqlx::Result<()> {
    for round in 0..1_000 {
        let one: i32 = watched(
            sqlx::query_scalar("SELECT $1 + 0")
                .bind(round)
                .fetch_one(&pool),
        )
        .await?;
        assert_eq!(one, round);
        all_is_back(&pool).await;
        nothing_is_under_way().await;
    }
    Ok(())
}

#[sandboxed]
async fn each_of_a_thousand_calls_is_seen_until_its_result_is_delivered(
    pool: PgPool,
) -> sqlx::Result<()> {
    a_thousand_on_postgres(pool).await
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_calls_is_seen_with_several_threads(pool: PgPool) -> sqlx::Result<()> {
    a_thousand_on_postgres(pool).await
}

async fn a_thousand_on_sqlite(pool: SqlitePool) -> sqlx::Result<()> {
    for round in 0..1_000 {
        let one: i32 = watched(sqlx::query_scalar("SELECT ?").bind(round).fetch_one(&pool)).await?;
        assert_eq!(one, round);
        all_is_back(&pool).await;
        nothing_is_under_way().await;
    }
    Ok(())
}

#[sandboxed]
async fn each_of_a_thousand_calls_to_sqlite_is_seen(pool: SqlitePool) -> sqlx::Result<()> {
    a_thousand_on_sqlite(pool).await
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_calls_to_sqlite_is_seen_with_several_threads(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    a_thousand_on_sqlite(pool).await
}

/// Waits for a lock that an outsider has; its text is not a value of the statement.
async fn waits_for_a_lock(pool: PgPool, key: i64) -> sqlx::Result<()> {
    let wait = sqlx::query("SELECT pg_advisory_xact_lock($1)\n  AS   taken").bind(key);
    wait.execute(&pool).await.map(drop)
}

/// Has a lock that a test's session wants, until it is dropped.
struct Outsider {
    connection: PgConnection,
    key: i64,
}

impl Outsider {
    /// In the database of the test's own session: locks of others are others.
    async fn with(key: i64, pool: &PgPool) -> sqlx::Result<Self> {
        let database = sqlx::query_scalar::<_, String>("SELECT current_database()");
        let options = options_of(&database.fetch_one(pool).await?);
        let mut connection = PgConnection::connect_with(&options).await?;
        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(key);
        lock.execute(&mut connection).await?;
        Ok(Self { connection, key })
    }

    /// Waits until somebody waits for it: a statement is seen before that already, as it is prepared.
    async fn is_waited_for(&mut self) -> sqlx::Result<()> {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1::bigint::oid";
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let waiting = sqlx::query_scalar::<_, i64>(waiting).bind(self.key);
            if waiting.fetch_one(&mut self.connection).await? > 0 {
                return Ok(());
            }
        }
        panic!("nobody waits for it");
    }
}

#[sandboxed]
async fn a_statement_that_waits_for_a_lock_is_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut outsider = Outsider::with(4711, &pool).await?;
    let waiting = tokio::spawn(waits_for_a_lock(pool.clone(), 4711));
    outsider.is_waited_for().await?;
    let said = until_seen(&["has run `SELECT pg_advisory_xact_lock($1) AS taken` for "]).await;
    assert!(said.starts_with("connection "), "{said}");
    assert!(said.contains(" of repo `default` "), "{said}");
    assert!(!said.contains("4711"), "{said}");
    outsider.connection.close().await?;
    waiting.await.expect("it ends")?;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_statement_that_waits_for_its_turn_is_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut outsider = Outsider::with(4712, &pool).await?;
    let waiting = tokio::spawn(waits_for_a_lock(pool.clone(), 4712));
    outsider.is_waited_for().await?;
    let other = pool.clone();
    let behind = tokio::spawn(async move { sqlx::query("SELECT 1").execute(&other).await });
    until_seen(&["has waited ", " for its turn", ", behind connection "]).await;
    outsider.connection.close().await?;
    waiting.await.expect("it ends")?;
    behind.await.expect("it ends")?;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_connection_that_is_held_is_not_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'ada')")
        .execute(&mut *transaction)
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("news").await?;
    nothing_is_under_way().await;
    // Once it has come it stays there for as long as nobody wants to hear it.
    sqlx::query("NOTIFY news").execute(&pool).await?;
    nothing_is_under_way().await;
    transaction.commit().await?;
    assert_eq!(listener.recv().await?.channel(), "news");
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_stream_that_nobody_reads_is_not_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    let all = "SELECT repeat('x', 1000) FROM generate_series(1, 2000)";
    let mut rows = sqlx::query_scalar::<_, String>(all).fetch(&mut *connection);
    rows.next().await.expect("a row")?;
    nothing_is_under_way().await;
    let mut read = 1;
    while let Some(row) = rows.next().await {
        row?;
        read += 1;
    }
    assert_eq!(read, 2_000);
    Ok(())
}

#[sandboxed]
async fn a_copy_that_waits_for_its_data_is_not_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut copy = pool.copy_in_raw("COPY guests FROM STDIN").await?;
    nothing_is_under_way().await;
    copy.send(&b"1\tada\n"[..]).await?;
    nothing_is_under_way().await;
    assert_eq!(copy.finish().await?, 1);
    all_is_back(&pool).await;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_connection_is_under_way_until_it_is_let_in(pool: PgPool) -> sqlx::Result<()> {
    nothing_is_under_way().await;
    // It says nothing, so that it is never let in.
    let silent = Raw::open(&pool.connect_options());
    until_seen(&["a connection of repo `default` is being opened"]).await;
    // Whoever does not go on waits for nothing.
    nothing_is_under_way().await;
    drop(silent);
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_does_not_say_to_its_end_is_not_under_way(pool: PgPool) -> sqlx::Result<()> {
    let frame = query("SELECT 1");
    let pipeline = [extended("SELECT 1"), extended("SELECT 2")].concat();
    for said in [&frame[..3], &frame[..8], &pipeline] {
        let options = pool.connect_options();
        let entering = tokio::task::spawn_blocking(move || Raw::enter(&options).0);
        let mut raw = entering.await.expect("it is let in");
        raw.send(said);
        assert!(!in_flight().await.is_empty());
        nothing_is_under_way().await;
    }
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_without_a_wait_for_the_answer_is_under_way(pool: PgPool) -> sqlx::Result<()> {
    let options = pool.connect_options();
    let entering = tokio::task::spawn_blocking(move || Raw::enter(&options).0);
    let mut raw = entering.await.expect("it is let in");
    nothing_is_under_way().await;
    for _ in 0..100 {
        raw.send(&query("SELECT 1"));
        // At once, and until it is read.
        assert!(!in_flight().await.is_empty());
        raw = tokio::task::spawn_blocking(move || {
            raw.until_ready();
            raw
        })
        .await
        .expect("it is answered");
        nothing_is_under_way().await;
    }
    Ok(())
}

#[sandboxed(isolation = "database")]
async fn a_statement_in_a_database_of_its_own_is_under_way(pool: PgPool) -> sqlx::Result<()> {
    let mut holder = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(1)")
        .execute(&mut *holder)
        .await?;
    nothing_is_under_way().await;
    let waiting = tokio::spawn(waits_for_a_lock(pool.clone(), 1));
    let said = until_seen(&["has run `SELECT pg_advisory_xact_lock($1) AS taken` for "]).await;
    assert!(said.contains("repo `default`"), "{said}");
    holder.commit().await?;
    waiting.await.expect("it ends")?;
    all_is_back(&pool).await;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_statement_outside_of_the_sandbox_is_under_way() -> sqlx::Result<()> {
    static OUTSIDE: Repo<Postgres> = Repo::new();
    let _ = OUTSIDE.checkout().sandbox(false).await?;
    let mut holder = OUTSIDE.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(4713)")
        .execute(&mut *holder)
        .await?;
    nothing_is_under_way().await;
    let waiting = tokio::spawn(async {
        let wait = sqlx::query("SELECT pg_advisory_xact_lock(4713)");
        wait.execute(&OUTSIDE).await
    });
    until_seen(&[
        "of repo `default` ",
        "has run `SELECT pg_advisory_xact_lock(4713)` for ",
    ])
    .await;
    holder.commit().await?;
    waiting.await.expect("it ends")?;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_statement_on_sqlite_is_under_way_as_long_as_it_runs(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n";
    let most: i64 = watched(sqlx::query_scalar(many).fetch_one(&pool)).await?;
    assert_eq!(most, 300_000);
    all_is_back(&pool).await;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_statement_that_nobody_waits_for_any_more_is_not_under_way_for_long(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let mut given_up = Box::pin(sqlx::query(endless).execute(&pool));
    let mut context = Context::from_waker(Waker::noop());
    while pool.size() == 0 || pool.num_idle() > 0 || in_flight().await.is_empty() {
        assert!(given_up.as_mut().poll(&mut context).is_pending());
        yield_now().await;
    }
    drop(given_up);
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_wait_for_sqlites_lock_is_under_way(pool: SqlitePool) -> sqlx::Result<()> {
    let mut writer = pool.begin_with("BEGIN IMMEDIATE").await?;
    nothing_is_under_way().await;
    let other = pool.clone();
    let waiting = tokio::spawn(async move {
        let insert = sqlx::query("INSERT INTO guests (email) VALUES ('ada')");
        insert.execute(&other).await
    });
    until_seen(&["a connection of repo `default` has been at work for "]).await;
    sqlx::query("INSERT INTO guests (email) VALUES ('grace')")
        .execute(&mut *writer)
        .await?;
    writer.commit().await?;
    waiting.await.expect("it ends")?;
    all_is_back(&pool).await;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn a_connection_to_sqlite_that_is_held_is_not_under_way(
    pool: SqlitePool,
) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("INSERT INTO guests (email) VALUES ('ada')")
        .execute(&mut *transaction)
        .await?;
    nothing_is_under_way().await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n";
    let mut rows = sqlx::query_scalar::<_, i64>(many).fetch(&mut *transaction);
    assert_eq!(rows.next().await.expect("a row")?, 1);
    // Its thread waits for somebody to read on.
    nothing_is_under_way().await;
    assert_eq!(rows.count().await, 999);
    transaction.rollback().await
}

#[sandboxed]
async fn connections_beside_the_pool_are_seen_as_well(pool: SqlitePool) -> sqlx::Result<()> {
    use sqlx::ConnectOptions as _;
    let options = pool.connect_options();
    let mut own = watched(options.connect()).await?;
    nothing_is_under_way().await;
    let one: i32 = watched(sqlx::query_scalar("SELECT 1").fetch_one(&mut own)).await?;
    assert_eq!(one, 1);
    own.close().await?;
    nothing_is_under_way().await;
    // One that comes and goes between two looks leaves nothing behind.
    options.connect().await?.close().await?;
    nothing_is_under_way().await;
    Ok(())
}

#[sandboxed]
async fn all_repos_of_a_test_are_looked_at(pool: PgPool) -> sqlx::Result<()> {
    static NOTES: Repo<Sqlite> = Repo::named("notes");
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n";
    let counting =
        tokio::spawn(async move { sqlx::query_scalar::<_, i64>(many).fetch_one(&NOTES).await });
    until_seen(&["a connection of repo `notes` has been at work for "]).await;
    assert_eq!(counting.await.expect("it ends")?, 300_000);
    let one: i32 = watched(sqlx::query_scalar("SELECT 1").fetch_one(&pool)).await?;
    assert_eq!(one, 1);
    Ok(())
}
