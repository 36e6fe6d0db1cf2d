//! A paused clock with a live pool: time stands still while the database works, and moves when nothing else is left to do.
//!
//! The tests add guests of different numbers: two tests that insert the same key wait for each other.

use heirloom::{Repo, Sandbox, owned_task, sandboxed};
use sqlx::postgres::{PgConnectOptions, PgPoolCopyExt as _, PgPoolOptions};
use sqlx::{PgPool, Postgres};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

static REPO: Repo<Postgres> = Repo::new();

const HOUR: Duration = Duration::from_hours(1);

async fn sign_up(pool: &PgPool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@example.org')");
    insert.bind(id).execute(pool).await.map(drop)
}

async fn count(pool: &PgPool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(pool);
    count.await.expect("a count")
}

/// A statement that takes some real time.
async fn work(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_sleep(0.2)").execute(pool).await?;
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn two_hundred_statements_with_hours_between_lose_no_second(
    pool: PgPool,
) -> sqlx::Result<()> {
    let start = Instant::now();
    for id in 10_000..10_200 {
        sign_up(&pool, id).await?;
        sleep(HOUR).await;
    }
    assert_eq!(count(&pool).await, 200);
    assert_eq!(start.elapsed(), 200 * HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn no_time_passes_while_the_server_works(pool: PgPool) -> sqlx::Result<()> {
    let start = Instant::now();
    timeout(Duration::from_millis(1), work(&pool))
        .await
        .expect("in no time")?;
    assert_eq!(start.elapsed(), Duration::ZERO);
    Ok(())
}

#[owned_task]
fn spawn_writer(first: i32, pause: Duration) -> JoinHandle<sqlx::Result<()>> {
    tokio::spawn(async move {
        for id in first..first + 25 {
            sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@spawned')")
                .bind(id)
                .execute(&REPO)
                .await?;
            sleep(pause).await;
        }
        Ok(())
    })
}

#[sandboxed(start_paused = true)]
async fn several_connections_keep_the_same_time(pool: PgPool) -> sqlx::Result<()> {
    let start = Instant::now();
    let writers: Vec<_> = (1..=6)
        .map(|writer| {
            spawn_writer(
                writer * 100,
                Duration::from_mins(7) * writer.cast_unsigned(),
            )
        })
        .collect();
    for writer in writers {
        writer.await.expect("it does not panic")?;
    }
    assert_eq!(count(&pool).await, 150);
    assert_eq!(start.elapsed(), 25 * 6 * Duration::from_mins(7));
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn waiting_for_a_connection_that_works_takes_no_time(
    (options, connect): (PgPoolOptions, PgConnectOptions),
) -> sqlx::Result<()> {
    let start = Instant::now();
    let pool = options.max_connections(1).connect_lazy_with(connect);
    let all = (0..4).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { work(&pool).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.expect("it does not panic")?;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn waiting_for_a_connection_that_nobody_gives_back_takes_as_long_as_it_says(
    (options, connect): (PgPoolOptions, PgConnectOptions),
) -> sqlx::Result<()> {
    let pool = options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy_with(connect);
    let held = pool.acquire().await?;
    let start = Instant::now();
    let error = pool.acquire().await.expect_err("it is held");
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    drop(held);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn an_open_transaction_does_not_hold_the_time(pool: PgPool) -> sqlx::Result<()> {
    let start = Instant::now();
    let mut transaction = pool.begin().await?;
    sleep(HOUR).await;
    sqlx::query("INSERT INTO guests (id, email) VALUES (20001, 'one')")
        .execute(&mut *transaction)
        .await?;
    // Another connection waits a moment for the first to go on.
    sign_up(&pool, 20_002).await?;
    sleep(HOUR).await;
    transaction.commit().await?;
    assert_eq!(count(&pool).await, 2);
    assert_eq!(start.elapsed(), 2 * HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn a_copy_that_takes_its_time_does_not_hold_it(pool: PgPool) -> sqlx::Result<()> {
    let start = Instant::now();
    let mut copy = pool
        .copy_in_raw("COPY guests (id, email) FROM STDIN")
        .await?;
    for id in 30_000..30_020 {
        copy.send(format!("{id}\t{id}@copied\n").into_bytes())
            .await?;
        sleep(HOUR).await;
    }
    assert_eq!(copy.finish().await?, 20);
    assert_eq!(start.elapsed(), 20 * HOUR);
    assert_eq!(count(&pool).await, 20);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn what_is_due_while_the_server_works_comes_after_it(pool: PgPool) -> sqlx::Result<()> {
    let mut order = Vec::new();
    let alarm = sleep(Duration::from_millis(1));
    let mut alarm = std::pin::pin!(alarm);
    {
        let mut work = std::pin::pin!(work(&pool));
        tokio::select! {
            done = &mut work => { done?; order.push("work"); }
            () = &mut alarm => order.push("alarm"),
        }
    }
    alarm.await;
    order.push("alarm");
    assert_eq!(order, ["work", "alarm"]);
    Ok(())
}

/// A service that looks again every minute, on connections of its own, until it is told to stop.
#[sandboxed(start_paused = true)]
async fn a_day_of_a_service_takes_a_day_of_its_time(pool: PgPool) -> sqlx::Result<()> {
    let start = Instant::now();
    let service = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut every_minute = tokio::time::interval(Duration::from_mins(1));
            let mut looks = 0;
            loop {
                every_minute.tick().await;
                looks += 1;
                if count(&pool).await > 0 {
                    return looks;
                }
            }
        }
    });
    // Between two looks.
    sleep(5 * HOUR + Duration::from_secs(3_570)).await;
    sign_up(&pool, 40_001).await?;
    assert_eq!(service.await.expect("it does not panic"), 6 * 60 + 1);
    assert_eq!(start.elapsed(), 6 * HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn a_session_that_another_runtime_opened_holds_the_time_as_well(
    sandbox: Sandbox,
) -> sqlx::Result<()> {
    let owner = sandbox.owner().clone();
    let opened = heirloom_tests::nobodys().spawn(async move {
        use heirloom::FutureExt as _;
        async { REPO.pool().await.map(drop) }.owned_by(&owner).await
    });
    opened.await.expect("it does not panic").expect("a session");
    let (start, pool) = (
        Instant::now(),
        sandbox.get::<PgPool>().await.expect("a pool"),
    );
    timeout(Duration::from_millis(1), work(&pool))
        .await
        .expect("in no time")?;
    sleep(HOUR).await;
    assert_eq!(start.elapsed(), HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn the_end_of_a_test_has_its_database(sandbox: Sandbox, pool: PgPool) {
    sandbox.on_teardown(|| async move {
        let start = Instant::now();
        sign_up(&pool, 50_001).await?;
        sleep(Duration::from_secs(3)).await;
        assert_eq!(count(&pool).await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        Ok(())
    });
}

#[sandboxed(start_paused = true)]
async fn time_is_nothing_without_a_database() {
    let start = Instant::now();
    sleep(24 * HOUR).await;
    assert_eq!(start.elapsed(), 24 * HOUR);
}
