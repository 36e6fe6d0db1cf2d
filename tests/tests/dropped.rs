//! Ten thousand futures that are dropped at a random `.await` inside a query, on each database: no session is lost, nothing
//! is half done, and the next test finds nothing of it. `HEIRLOOM_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "in tests")]

use heirloom::{Repo, Sandbox, Test, owned};
use heirloom_tests::{Random, eventually};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// On each kind of runtime.
const FUTURES: i64 = 5_000;
const AT_ONCE: usize = 20;

/// Nothing here is about time, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Polls a future until it has waited so often, then drops it. What it brought, if it got that far.
async fn dropped_after<F: Future>(waits: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = waits;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The same text for each database, whose types have nothing in common.
macro_rules! on {
    ($name:ident, $database:ident, $pool:ident, $is_postgres:literal) => {
        mod $name {
            use super::*;

            static REPO: Repo<$database> = Repo::new();

            const NAME: &str = concat!("dropped::", stringify!($name));

            static TURNS: RwLock<()> = RwLock::const_new(());

            /// Where all connections share one session, a transaction that is rolled back takes the others' work with it: so it
            /// runs alone.
            #[allow(dead_code, reason = "held")]
            enum Turn {
                Any,
                Alone(RwLockWriteGuard<'static, ()>),
                WithOthers(RwLockReadGuard<'static, ()>),
            }

            impl Turn {
                async fn of(number: i64) -> Self {
                    match ($is_postgres, number % 4) {
                        (false, _) => Self::Any,
                        (true, 1) => Self::Alone(TURNS.write().await),
                        (true, _) => Self::WithOthers(TURNS.read().await),
                    }
                }
            }

            async fn insert(pool: &$pool, number: i64) -> sqlx::Result<()> {
                let insert = "INSERT INTO notes (number, line) VALUES ($1, 1)";
                sqlx::query(insert).bind(number).execute(pool).await?;
                Ok(())
            }

            /// Two lines or none.
            async fn transact(
                mut open: Transaction<'_, $database>,
                number: i64,
            ) -> sqlx::Result<()> {
                for line in [1, 2] {
                    let insert = "INSERT INTO notes (number, line) VALUES ($1, $2)";
                    let insert = sqlx::query(insert).bind(-number).bind(line);
                    insert.execute(&mut *open).await?;
                }
                open.commit().await
            }

            /// sqlx 0.9.0 leaves a PostgreSQL connection in its transaction when `begin()` is dropped before it is done, on a
            /// server as well (transact-rs/sqlx#4393): so there it is waited for.
            async fn begin_and_transact(
                pool: &$pool,
                number: i64,
                waits: u64,
            ) -> Option<sqlx::Result<()>> {
                if $is_postgres {
                    let open = pool.begin().await.expect("it begins");
                    return dropped_after(waits, transact(open, number)).await;
                }
                let whole = async { transact(pool.begin().await?, number).await };
                dropped_after(waits, whole).await
            }

            async fn count_by_repo() -> sqlx::Result<()> {
                let count = sqlx::query_scalar("SELECT count(*) FROM notes");
                let _count: i64 = count.fetch_one(&REPO).await?;
                Ok(())
            }

            async fn acquire_and_read(pool: &$pool) -> sqlx::Result<()> {
                let mut connection = pool.acquire().await?;
                let all = sqlx::query("SELECT number, line FROM notes LIMIT 100");
                all.fetch_all(&mut *connection).await?;
                Ok(())
            }

            /// Whether it was done before it was dropped.
            async fn one(pool: &$pool, number: i64, random: &mut Random) -> bool {
                let waits = random.below(12);
                let turn = Turn::of(number).await;
                let done = match number % 4 {
                    0 => dropped_after(waits, insert(pool, number)).await,
                    1 => begin_and_transact(pool, number, waits).await,
                    2 => dropped_after(waits, count_by_repo()).await,
                    _ => dropped_after(waits, acquire_and_read(pool)).await,
                };
                if matches!(turn, Turn::Alone(_)) {
                    // Until sqlx has put it back the connection is still in its transaction.
                    eventually(|| match pool.num_idle() == pool.size() as usize {
                        true => Ok(()),
                        false => Err(format!("{} of {} are idle", pool.num_idle(), pool.size())),
                    })
                    .await;
                }
                done.transpose().expect("the database serves").is_some()
            }

            async fn some(pool: $pool, first: i64, mut random: Random) -> Vec<i64> {
                let mut done = Vec::new();
                for number in (first..=FUTURES).step_by(AT_ONCE) {
                    if one(&pool, number, &mut random).await {
                        done.push(number);
                    }
                }
                done
            }

            async fn all(pool: &$pool) -> sqlx::Result<()> {
                let create = "CREATE TABLE notes (number BIGINT, line INT)";
                sqlx::query(create).execute(pool).await?;
                let mut random = Random::seeded();
                let mut tasks = Vec::new();
                for first in (1..=FUTURES).take(AT_ONCE) {
                    let random = Random::from(random.below(u64::MAX));
                    tasks.push(tokio::spawn(owned(some(pool.clone(), first, random))));
                }
                let mut done = Vec::new();
                for task in tasks {
                    done.extend(task.await.expect("it does not panic"));
                }
                let most = usize::try_from(FUTURES).unwrap();
                assert!((most / 100..most).contains(&done.len()), "{}", done.len());
                nothing_is_half_done(pool, &done).await?;
                every_connection_works(pool).await
            }

            async fn nothing_is_half_done(pool: &$pool, done: &[i64]) -> sqlx::Result<()> {
                let lines = "SELECT number, count(*) FROM notes GROUP BY number";
                let lines: Vec<(i64, i64)> = sqlx::query_as(lines).fetch_all(pool).await?;
                for (number, lines) in &lines {
                    let whole = if *number < 0 { 2 } else { 1 };
                    assert_eq!(*lines, whole, "of {number}");
                }
                for number in done {
                    let written = match number % 4 {
                        0 => *number,
                        1 => -number,
                        _ => continue,
                    };
                    let there = lines.iter().any(|(number, _)| *number == written);
                    assert!(there, "{written} was written, and is gone");
                }
                Ok(())
            }

            async fn every_connection_works(pool: &$pool) -> sqlx::Result<()> {
                let mut connections = Vec::new();
                for _ in 0..pool.options().get_max_connections() {
                    connections.push(pool.acquire().await?);
                }
                for connection in &mut connections {
                    let one = sqlx::query_scalar("SELECT 1").fetch_one(&mut **connection);
                    let one: i32 = one.await?;
                    assert_eq!(one, 1);
                }
                Ok(())
            }

            fn test(name: &str) -> Test {
                Test::here(name).no_migrations().drain_timeout(PATIENCE)
            }

            fn drops(test: Test) {
                drop(test.run(|sandbox: Sandbox| async move {
                    let pool: $pool = sandbox.get().await.map_err(std::io::Error::other)?;
                    all(&pool).await?;
                    sandbox.settle_within(PATIENCE).await?;
                    Ok(())
                }));
                the_next_finds_nothing();
            }

            fn the_next_finds_nothing() {
                drop(test(NAME).run(|sandbox: Sandbox| async move {
                    let pool: $pool = sandbox.get().await.map_err(std::io::Error::other)?;
                    sqlx::query("SELECT * FROM notes")
                        .fetch_all(&pool)
                        .await
                        .unwrap_err();
                    Ok(())
                }));
                let left = heirloom::inspect().owners;
                let left: Vec<_> = left.iter().map(|owner| &owner.name).collect();
                assert!(!left.iter().any(|name| *name == NAME), "{left:?}");
            }

            #[test]
            fn ten_thousand_futures_dropped_inside_queries_lose_no_session() {
                drops(test(NAME));
                drops(test(NAME).multi_thread().worker_threads(3));
            }
        }
    };
}

on!(sqlite, Sqlite, SqlitePool, false);
on!(postgres, Postgres, PgPool, true);
