//! The welcome letter: work that a request starts and does not wait for.

use crate::support::{TestApp, TestResult, count};
use guestbook::{Error, Pool, SignUp, sign_up, welcome};
use heirloom::{Sandbox, sandboxed};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

fn ada() -> SignUp {
    SignUp {
        name: "Ada".into(),
        email: "ada@example.org".into(),
    }
}

#[sandboxed]
async fn the_welcome_task_sees_the_guest_of_its_test(pool: Pool) -> TestResult {
    let guest = sign_up(&pool, &ada()).await?;
    welcome(&TaskTracker::new(), pool.clone(), guest).await??;
    let (subject, welcomed): (String, bool) = sqlx::query_as(
        "SELECT subject, welcomed_at IS NOT NULL FROM letters JOIN guests ON guests.id = guest_id",
    )
    .fetch_one(&pool)
    .await?;
    assert_eq!((&*subject, welcomed), ("Welcome, Ada!", true));
    Ok(())
}

#[sandboxed]
async fn a_request_starts_the_letter_and_does_not_wait_for_it(
    app: TestApp,
    sandbox: Sandbox,
) -> TestResult {
    app.sign_up("Ada", "ada@example.org").await;
    // One thread, and the answer came without yielding to the task that was started last.
    assert_eq!(app.tasks().len(), 1, "the letter is still being written");
    sandbox.settle().await?;
    assert_eq!(count(&app.pool, "letters").await, 1);
    Ok(())
}

#[sandboxed]
async fn who_is_refused_gets_no_letter(app: TestApp, sandbox: Sandbox) -> TestResult {
    app.sign_up("Ada", "ada@example.org").await;
    app.sign_up("Impostor", "ada@example.org").await;
    sandbox.settle().await?;
    assert_eq!(count(&app.pool, "letters").await, 1);
    Ok(())
}

#[sandboxed]
async fn a_letter_that_cannot_be_written_leaves_nothing_half_done(pool: Pool) -> TestResult {
    let guest = sign_up(&pool, &ada()).await?;
    sqlx::query("INSERT INTO letters (guest_id, subject) VALUES ($1, 'An earlier letter')")
        .bind(guest.id)
        .execute(&pool)
        .await?;
    let written = welcome(&TaskTracker::new(), pool.clone(), guest).await?;
    assert!(matches!(written, Err(Error::Database(_))), "{written:?}");
    let welcomed: Option<String> = sqlx::query_scalar("SELECT welcomed_at FROM guests")
        .fetch_one(&pool)
        .await?;
    assert_eq!(welcomed, None, "the first of the two statements was undone");
    Ok(())
}

#[sandboxed]
async fn a_task_of_a_task_on_another_thread_belongs_to_the_test(pool: Pool) -> TestResult {
    sign_up(&pool, &ada()).await?;
    let (seen, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (see, tell) = (Arc::clone(&seen), Arc::clone(&told));
    let child = tokio::spawn(async move {
        let grandchild = std::thread::spawn(|| heirloom::current().map(|owner| owner.id()));
        see.notify_one();
        tell.notified().await;
        let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
            .fetch_one(&guestbook::REPO)
            .await?;
        let owner = grandchild.join().expect("the thread ends");
        Ok::<_, sqlx::Error>((guests, owner))
    });
    seen.notified().await;
    told.notify_one();
    let here = heirloom::current().map(|owner| owner.id());
    assert_eq!(child.await??, (1, here));
    Ok(())
}
