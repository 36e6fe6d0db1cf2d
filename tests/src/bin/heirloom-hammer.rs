//! A process of its own in which owners end at random moments, with everything under way: by a stop, by being dropped,
//! and by the end of the runtime that they are on. Run by `tests/postgres_hammer.rs`.
//!
//! Its arguments are how many owners, and a seed. It prints a line for each, and waits for the end of its input.

use heirloom::{FutureExt as _, Owner, Repo, Sandbox, Test};
use heirloom_tests::Random;
use sqlx::{PgPool, Postgres};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

static REPO: Repo<Postgres> = Repo::new();

const AT_ONCE: usize = 4;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (owners, seed) = (number().expect("how many"), number().expect("a seed"));
    // No two owners at a time write the same keys, as they would wait for each other.
    let base = i32::try_from(seed % 1_000).expect("small") * 2_000_000;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            let (next, seed) = (&next, seed ^ (thread as u64) << 32);
            scope.spawn(move || {
                let mut random = Random::from(seed);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number as u64 >= owners {
                        return;
                    }
                    one(
                        number,
                        base + i32::try_from(number % 1_000).expect("small") * 2_000,
                        &mut random,
                    );
                    println!("{number}");
                }
            });
        }
    });
    drop(
        Test::here("hammer::after").run(|sandbox: Sandbox| async move {
            let pool: PgPool = sandbox.get().await.expect("a pool");
            for id in 0..100 {
                insert(&pool, id).await?;
            }
            assert_eq!(count(&pool).await?, 100);
            sqlx::Result::Ok(())
        }),
    );
    println!("done");
    std::io::stdout().flush().expect("written");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("an end");
}

/// How an owner ends.
enum End {
    Stopped,
    Dropped,
    WithItsRuntime,
}

/// One owner from its beginning to its end.
fn one(number: usize, base: i32, random: &mut Random) {
    let runtime = runtime(random);
    let owner = Arc::new(format!("hammer::{number}"));
    let is_over = Arc::new(AtomicBool::new(false));
    let started = runtime.block_on(async { Owner::start(&**owner).repo(&REPO).await });
    let started = started.expect("it starts");
    let pool = async { REPO.pool().await }.owned_by(&started);
    let pool = runtime.block_on(pool).expect("a pool");
    let mut tasks = Vec::new();
    for task in 0..=i32::try_from(random.below(6)).expect("small") {
        let (pool, is_over) = (pool.clone(), Arc::clone(&is_over));
        let work = work(
            pool,
            is_over,
            base + task,
            Random::from(random.below(u64::MAX)),
        );
        tasks.push(runtime.spawn(work));
    }
    let busy = Duration::from_micros(random.below(20_000));
    runtime.block_on(async { tokio::time::sleep(busy).await });
    let given_up = usize::try_from(random.below(3))
        .expect("small")
        .min(tasks.len());
    for task in tasks.drain(..given_up) {
        task.abort();
    }
    is_over.store(true, Ordering::SeqCst);
    let end = match random.below(4) {
        0 | 1 => End::Stopped,
        2 => End::Dropped,
        _ => End::WithItsRuntime,
    };
    match end {
        End::Stopped => {
            // Whoever still holds a connection is told by an error, and those are its own business.
            drop(runtime.block_on(started.stop()));
            for task in tasks {
                runtime.block_on(task).expect("no task panics");
            }
        }
        End::Dropped => {
            drop(started);
            for task in tasks {
                runtime.block_on(task).expect("no task panics");
            }
        }
        End::WithItsRuntime => {
            runtime.shutdown_background();
            drop(pool);
            let other = Runtime::new().expect("a runtime");
            drop(other.block_on(started.stop()));
        }
    }
}

fn runtime(random: &mut Random) -> Runtime {
    let mut builder = match random.below(3) {
        0 => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

/// What one task of an application does until its owner is over.
async fn work(pool: PgPool, is_over: Arc<AtomicBool>, base: i32, mut random: Random) {
    for round in 0..190 {
        let id = base + round * 10;
        let done = step(&pool, id, &mut random).await;
        let was_over = is_over.load(Ordering::SeqCst);
        if let Err(error) = done
            && !was_over
            && !is_over.load(Ordering::SeqCst)
        {
            panic!("an error before the end: {error}");
        }
        if was_over {
            return;
        }
    }
}

async fn step(pool: &PgPool, id: i32, random: &mut Random) -> sqlx::Result<()> {
    match random.below(6) {
        0 => insert(pool, id).await,
        1 => count(pool).await.map(drop),
        2 => {
            let mut transaction = pool.begin().await?;
            let insert = sqlx::query("INSERT INTO guests VALUES ($1, $1 || '@tx')").bind(id);
            insert.execute(&mut *transaction).await?;
            transaction.commit().await
        }
        3 => {
            let failing = sqlx::query("SELECT 1/0").execute(pool).await;
            match failing {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("22012") => {
                    Ok(())
                }
                other => other.map(drop),
            }
        }
        4 => {
            // Given up at some moment.
            let patience = Duration::from_micros(random.below(3_000));
            let slow = sqlx::query("SELECT pg_sleep(0.002)").execute(pool);
            match tokio::time::timeout(patience, slow).await {
                Ok(done) => done.map(drop),
                Err(_) => Ok(()),
            }
        }
        _ => sqlx::query("SELECT pg_sleep(0.001)")
            .execute(pool)
            .await
            .map(drop),
    }
}

async fn insert(pool: &PgPool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests VALUES ($1, $1 || '@hammer')").bind(id);
    insert.execute(pool).await.map(drop)
}

async fn count(pool: &PgPool) -> sqlx::Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(pool).await
}
