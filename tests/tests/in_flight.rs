//! What of a test's database calls is under way: seen from the first poll of its future until that is woken for the
//! result, and nothing else.

use heirloom::__private::in_flight;
use heirloom::sandboxed;
use sqlx::{Database, PgPool, Pool, SqlitePool};
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
#[allow(dead_code)]
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
