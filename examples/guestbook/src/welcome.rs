//! The welcome letter, written in the background so that nobody waits for it.

use crate::database::{NOTE_WELCOME, Pool};
use crate::error::{Error, log};
use crate::guests::Guest;
use heirloom::owned_task;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Starts to write a guest's welcome letter. `tasks` is what a stopping application waits for.
///
/// The handle may be dropped: what fails is logged.
#[owned_task]
#[allow(
    clippy::must_use_candidate,
    reason = "who does not wait for the letter need not hold its handle"
)]
pub fn welcome(tasks: &TaskTracker, pool: Pool, guest: Guest) -> JoinHandle<Result<(), Error>> {
    tasks.spawn(async move {
        let written = write_letter(&pool, &guest).await;
        if let Err(error) = &written {
            log("a welcome letter", error);
        }
        written
    })
}

/// The letter and the note that the guest was welcomed: both or neither.
async fn write_letter(pool: &Pool, guest: &Guest) -> Result<(), Error> {
    let mut writing = pool.begin().await?;
    sqlx::query(NOTE_WELCOME)
        .bind(guest.id)
        .execute(&mut *writing)
        .await?;
    sqlx::query("INSERT INTO letters (guest_id, subject) VALUES ($1, $2)")
        .bind(guest.id)
        .bind(format!("Welcome, {}!", guest.name))
        .execute(&mut *writing)
        .await?;
    Ok(writing.commit().await?)
}
