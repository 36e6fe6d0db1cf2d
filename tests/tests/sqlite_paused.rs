//! A paused clock with a SQLite pool, whose connections work on threads of their own: time stands still while one is out.

use heirloom::sandboxed;
use sqlx::SqlitePool;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_hours(1);

async fn sign_up(pool: &SqlitePool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (email) VALUES (?1 || '@example.org')");
    insert.bind(id).execute(pool).await.map(drop)
}

async fn count(pool: &SqlitePool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(pool);
    count.await.expect("a count")
}

#[sandboxed(start_paused = true)]
async fn statements_with_hours_between_lose_no_second(pool: SqlitePool) -> sqlx::Result<()> {
    let start = Instant::now();
    for id in 0..200 {
        sign_up(&pool, id).await?;
        sleep(HOUR).await;
    }
    assert_eq!(count(&pool).await, 200);
    assert_eq!(start.elapsed(), 200 * HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn several_connections_keep_the_same_time(pool: SqlitePool) -> sqlx::Result<()> {
    let start = Instant::now();
    let writers = (1..=4).map(|writer| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for id in 0..10 {
                sign_up(&pool, writer * 100 + id).await?;
                sleep(HOUR).await;
            }
            Ok::<_, sqlx::Error>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it does not panic")?;
    }
    assert_eq!(count(&pool).await, 40);
    assert_eq!(start.elapsed(), 10 * HOUR);
    Ok(())
}

#[sandboxed(start_paused = true)]
async fn an_open_transaction_does_not_hold_the_time(pool: SqlitePool) -> sqlx::Result<()> {
    let start = Instant::now();
    let mut transaction = pool.begin().await?;
    sleep(HOUR).await;
    sqlx::query("INSERT INTO guests (email) VALUES ('one')")
        .execute(&mut *transaction)
        .await?;
    sleep(HOUR).await;
    transaction.commit().await?;
    assert_eq!(count(&pool).await, 1);
    assert_eq!(start.elapsed(), 2 * HOUR);
    Ok(())
}
