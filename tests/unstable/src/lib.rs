//! What the tests of runtimes that hand owners on share. Nothing in here is annotated, as in other people's code.
#![cfg(tokio_unstable)]

use heirloom::{Owner, Repo, current, runtime};
use sqlx::Sqlite;
use std::future::Future;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The application's database.
pub static REPO: Repo<Sqlite> = Repo::new();

/// The application's runtime, which all tests share and no test has started.
pub static SHARED: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    runtime::inherit(builder.worker_threads(2).enable_all());
    builder.build().expect("a runtime")
});

/// Another one, on whatever thread runs it.
///
/// # Panics
///
/// When it cannot be made.
#[must_use]
pub fn single() -> Runtime {
    let mut builder = Builder::new_current_thread();
    runtime::inherit(&mut builder);
    builder.build().expect("a runtime")
}

/// Spawns on the shared runtime.
pub fn start<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    SHARED.spawn(work)
}

/// Spawns on the runtime that is running.
pub fn start_here<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}

/// Who a task on the shared runtime belongs to.
#[must_use]
pub fn whose() -> JoinHandle<Option<Owner>> {
    start(async { current() })
}

/// Adds a guest to the database of whoever runs this.
///
/// # Errors
///
/// The repo's.
pub async fn insert(email: String) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (email) VALUES (?)").bind(email);
    insert.execute(&REPO).await.map(drop)
}

/// The guests that the running code sees, in order.
///
/// # Errors
///
/// The repo's.
pub async fn guests() -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT email FROM guests ORDER BY email")
        .fetch_all(&REPO)
        .await
}

/// Waits until none of an owner's tasks are known any more: the last of them has ended, but its thread may not have
/// told of it yet.
///
/// # Panics
///
/// When there are some after half a minute.
pub async fn until_none_is_left(owner: &Owner) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let left = runtime::tasks_of(owner);
        if left.is_empty() {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "still there after 30 s: {left:?}"
        );
        tokio::task::yield_now().await;
    }
}
