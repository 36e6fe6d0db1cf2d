//! `underway` keeps its tasks in PostgreSQL and runs each in a transaction of its own. In a test the worker's
//! `process_next_task` runs one, as a part of the test: so [`drain_queue`] runs them all.
//!
//! A worker that all tests share has nothing to do: a task that a test has enqueued is in the test's own database, where
//! nobody else sees it. It needs no token either, as nothing of it leaves the test.
//!
//! Run with: `cargo xtask with-servers cargo test --manifest-path examples/underway/Cargo.toml`

use heirloom::{BoxError, drain_queue, sandboxed};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use underway::job::Context;
use underway::task::Result as TaskResult;
use underway::{Job, To};

// The application: a job of two steps. Each is a task; the first enqueues the second.

#[derive(Deserialize, Serialize)]
struct Welcome {
    guest: i64,
}

#[derive(Deserialize, Serialize)]
struct Introduce {
    guest: i64,
}

type Letters = Job<Welcome, ()>;

async fn letters(pool: &PgPool) -> Result<Letters, BoxError> {
    let job = Job::builder()
        .step(async |mut context: Context<()>, Welcome { guest }| {
            write(&mut context, guest, "Welcome!").await?;
            context.tx.commit().await?;
            To::next(Introduce { guest })
        })
        .step(async |mut context: Context<()>, Introduce { guest }| {
            write(&mut context, guest, "May we introduce ourselves?").await?;
            context.tx.commit().await?;
            To::done()
        });
    let job = job.name("letters").pool(pool.clone());
    Ok(job.build().await?)
}

async fn write(context: &mut Context<()>, guest: i64, text: &str) -> TaskResult<()> {
    let write = sqlx08::query("INSERT INTO letters VALUES ($1, $2)").bind(guest);
    write.bind(text).execute(&mut *context.tx).await?;
    Ok(())
}

/// The guest and the job come into being together, or not at all.
async fn sign_up(pool: &PgPool, letters: &Letters, email: &str) -> Result<i64, BoxError> {
    let mut transaction = pool.begin().await?;
    let insert = "INSERT INTO guests (email) VALUES ($1) RETURNING id";
    let guest = sqlx08::query_scalar(insert).bind(email);
    let guest = guest.fetch_one(&mut *transaction).await?;
    letters
        .enqueue_using(&mut *transaction, &Welcome { guest })
        .await?;
    transaction.commit().await?;
    Ok(guest)
}

// Its tests.

async fn written(pool: &PgPool) -> sqlx08::Result<Vec<String>> {
    let texts = sqlx08::query_scalar("SELECT text FROM letters ORDER BY text DESC");
    texts.fetch_all(pool).await
}

/// What tasks that did not succeed have said: underway keeps it with each attempt.
async fn failures(pool: &PgPool) -> sqlx08::Result<Vec<String>> {
    let errors = "SELECT error_message FROM underway.task_attempt WHERE error_message IS NOT NULL";
    sqlx08::query_scalar(errors).fetch_all(pool).await
}

#[sandboxed]
async fn a_new_guest_gets_two_letters(pool: PgPool) -> Result<(), BoxError> {
    underway::run_migrations(&pool).await?;
    let letters = letters(&pool).await?;
    sign_up(&pool, &letters, "ada@example.org").await?;
    assert!(written(&pool).await?.is_empty());

    let worker = letters.worker();
    let drained = drain_queue(|| worker.process_next_task()).await?;
    assert_eq!(drained.jobs.len(), 2);
    assert_eq!(
        written(&pool).await?,
        ["Welcome!", "May we introduce ourselves?"]
    );
    assert!(failures(&pool).await?.is_empty());
    Ok(())
}

/// For underway a task that has failed is done, for now: its worker says `Ok`, and tries it again later. So a test asks.
#[sandboxed(isolation = "database")]
async fn a_task_that_fails_is_tried_again_later(pool: PgPool) -> Result<(), BoxError> {
    underway::run_migrations(&pool).await?;
    let letters = letters(&pool).await?;
    letters.enqueue(&Welcome { guest: 404 }).await?;
    let worker = letters.worker();
    let drained = drain_queue(|| worker.process_next_task()).await?;
    assert_eq!(drained.jobs.len(), 1);
    let failures = failures(&pool).await?;
    assert!(failures[0].contains("letters_guest_fkey"), "{failures:?}");
    Ok(())
}
