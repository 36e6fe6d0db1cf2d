//! A queue of the application's own: a table of jobs, and a loop that takes one after the other. A test drains it and sees
//! what its jobs did, or lets the loop run.
//!
//! Run with: `cargo test --package jobs --test own_queue`

use heirloom::{BoxError, Repo, Sandbox, drain_queue, owned_task, sandboxed};
use sqlx::Sqlite;
use std::convert::Infallible;
use tokio::sync::Notify;

// The application: a global database, jobs that it does later, and the loop that does them.

static REPO: Repo<Sqlite> = Repo::new();

/// The guest and the job come into being together, or not at all.
async fn sign_up(email: &str) -> sqlx::Result<i64> {
    let mut transaction = REPO.begin().await?;
    let insert = "INSERT INTO guests (email) VALUES (?) RETURNING id";
    let guest = sqlx::query_scalar(insert).bind(email);
    let guest: i64 = guest.fetch_one(&mut *transaction).await?;
    let push = sqlx::query("INSERT INTO chores (kind, guest) VALUES ('welcome', ?)").bind(guest);
    push.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(guest)
}

/// Takes the next job and does it. What it did, or `None` if there is nothing to do.
async fn run_next() -> sqlx::Result<Option<String>> {
    let take = "DELETE FROM chores WHERE id = (SELECT min(id) FROM chores) RETURNING kind, guest";
    let job = sqlx::query_as::<_, (String, i64)>(take).fetch_optional(&REPO);
    let Some((kind, guest)) = job.await? else {
        return Ok(None);
    };
    match &*kind {
        "welcome" => {
            write(guest, "Welcome!").await?;
            let push = sqlx::query("INSERT INTO chores (kind, guest) VALUES ('introduce', ?)");
            push.bind(guest).execute(&REPO).await?;
        }
        "introduce" => write(guest, "May we introduce ourselves?").await?,
        unknown => return Err(sqlx::Error::Protocol(format!("no job is `{unknown}`"))),
    }
    Ok(Some(kind))
}

async fn write(guest: i64, text: &str) -> sqlx::Result<()> {
    let write = sqlx::query("INSERT INTO letters VALUES (?, ?)").bind(guest);
    write.bind(text).execute(&REPO).await.map(drop)
}

/// Does what there is to do, whenever it is told that there is something.
#[owned_task]
async fn worker(something_to_do: &'static Notify) -> sqlx::Result<Infallible> {
    loop {
        while run_next().await?.is_some() {}
        something_to_do.notified().await;
    }
}

// Its tests.

async fn letters() -> sqlx::Result<Vec<String>> {
    let letters = sqlx::query_scalar("SELECT text FROM letters ORDER BY rowid");
    letters.fetch_all(&REPO).await
}

#[sandboxed]
async fn a_new_guest_gets_two_letters() -> Result<(), BoxError> {
    sign_up("ada@example.org").await?;
    assert!(letters().await?.is_empty());
    let drained = drain_queue(run_next).await?;
    assert_eq!(drained.jobs, ["welcome", "introduce"]);
    assert_eq!(
        letters().await?,
        ["Welcome!", "May we introduce ourselves?"]
    );
    Ok(())
}

#[sandboxed]
async fn a_guest_who_is_refused_gets_none() -> Result<(), BoxError> {
    sign_up("ada@example.org").await?;
    sign_up("ada@example.org").await.expect_err("it is taken");
    assert_eq!(drain_queue(run_next).await?.jobs.len(), 2);
    Ok(())
}

/// The error of a job is the test's: nobody has to look for it in a log.
#[sandboxed]
#[should_panic(expected = "no job is `welcom`")]
async fn a_job_that_fails_fails_the_test() {
    let guest = sign_up("ada@example.org").await.expect("a guest");
    let typo = sqlx::query("INSERT INTO chores (kind, guest) VALUES ('welcom', ?)").bind(guest);
    typo.execute(&REPO).await.expect("a job");
    drain_queue(run_next).await.expect("every job is done");
}

/// The loop itself, in the background. It has done its work when the test has settled, and ends with the test.
#[sandboxed]
async fn the_loop_does_what_there_is_to_do(sandbox: Sandbox) -> Result<(), BoxError> {
    static SOMETHING_TO_DO: Notify = Notify::const_new();
    drop(tokio::spawn(worker(&SOMETHING_TO_DO)));
    sign_up("ada@example.org").await?;
    SOMETHING_TO_DO.notify_one();
    sandbox.settle().await?;
    assert_eq!(letters().await?.len(), 2);
    Ok(())
}
