//! Real commits in the middle of a test, without an end to its sandbox.

use crate::context;
use crate::error::{Asker, Error};
use crate::owner::Owner;
use crate::task::FutureExt as _;
use std::future::{Future, IntoFuture as _};
use std::panic::Location;

/// Runs something outside the sandbox: what it commits is committed, and everybody who is outside the sandbox sees it.
/// The caller's own sessions are untouched and are its own again afterwards.
///
/// It runs as an owner of its own, which ends with it: tasks that it spawns and that go on get errors from then on. Every
/// repo is meant, and each is its own pool, if it was given one ([`Repo::connect`](crate::Repo::connect)); else for SQLite
/// a migrated file that lives as long as the process, for PostgreSQL the application's own database. What is committed
/// there is for the test to remove.
///
/// ```
/// # use heirloom::{Repo, Sandbox, Test, unboxed};
/// # use sqlx::Sqlite;
/// static REPO: Repo<Sqlite> = Repo::named("settings");
///
/// # Test::here("example").run(|_: Sandbox| async move {
/// let made = unboxed(|| async {
///     sqlx::query("CREATE TABLE IF NOT EXISTS settings (name TEXT)").execute(&REPO).await
/// });
/// made.await??;
/// # Ok(()) });
/// ```
///
/// # Errors
///
/// [`Error::NotStopped`] when something that it spawned held a connection for more than 5 s after it; what was committed
/// is committed all the same.
///
/// # Cancel safety
///
/// Dropped before it is done, what it has committed stays.
#[track_caller]
pub fn unboxed<F, Fut>(run: F) -> impl Future<Output = Result<Fut::Output, Error>>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    let place = Location::caller();
    let by = Asker::now(Some(place.into()));
    let name = match context::current() {
        Some(owner) => format!("{owner} (unboxed)"),
        None => format!("unboxed at {place}"),
    };
    // Whose migrations it starts with is decided by who calls this, not by who polls it.
    let start = Owner::start(name).sandbox(false).into_future();
    async move {
        let owner = start.await?;
        let run = {
            let _entered = owner.enter();
            run()
        };
        let done = run.owned_by(&owner).await;
        owner.stop_by(by).await?;
        Ok(done)
    }
}
