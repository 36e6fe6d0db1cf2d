//! What the tests of actors share: a repo, many tests at once, and a place to live for an actor that is nobody's.

use heirloom::{Owner, Repo, Sandbox, current};
pub use heirloom_tests::{count, insert, nobodys, ours, test};
use sqlx::Sqlite;
use std::future::Future;
use std::sync::Barrier;

/// The application's database.
pub static REPO: Repo<Sqlite> = Repo::new();

/// So many tests run at once against one actor.
pub const TESTS: usize = 8;

/// Runs this as [`TESTS`] tests, all at once, and tells each its number.
///
/// # Panics
///
/// When one of them fails.
#[track_caller]
pub fn at_once<F: Future<Output = sqlx::Result<()>>>(name: &str, body: impl Fn(usize) -> F + Sync) {
    let (body, barrier) = (&body, &Barrier::new(TESTS));
    std::thread::scope(|scope| {
        for number in 0..TESTS {
            let test = test(&format!("{name}_{number}"));
            scope.spawn(move || {
                let ran = test.run(|_: Sandbox| async move {
                    // No test may be over before the last one starts.
                    barrier.wait();
                    body(number).await?;
                    Ok(())
                });
                drop(ran);
            });
        }
    });
}

/// Runs this as one test and returns what it returns.
///
/// # Panics
///
/// When it fails.
#[track_caller]
pub fn as_test<F: Future>(name: &str, body: impl FnOnce(Owner) -> F) -> F::Output {
    let mut returned = None;
    let out = &mut returned;
    drop(test(name).run(|sandbox: Sandbox| async move {
        *out = Some(body(sandbox.owner().clone()).await);
        Ok(())
    }));
    returned.expect("it ran")
}

/// Runs this as the current owner, on a runtime that is nobody's: what it spawns there inherits only what is carried.
///
/// # Panics
///
/// When it panics.
pub async fn elsewhere<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let work = nobodys().spawn(heirloom::owned(work));
    work.await.expect("no panic")
}

/// The test that this code belongs to.
#[must_use]
pub fn whose() -> Option<String> {
    current().map(|owner| owner.name().to_owned())
}

/// Signs a guest up and returns how many there are then: what an actor does here.
///
/// # Errors
///
/// The repo's.
pub async fn sign_up(email: &str) -> sqlx::Result<i64> {
    insert(&REPO, email).await?;
    count(&REPO).await
}
