//! The runtime that outlives tests: templates are made on it, and sessions live on it between tests.
//!
//! A socket belongs to the runtime it was made on and dies with it, and every test has a runtime of its own. So what is to
//! outlive a test is done here: on one thread, since a test's own queries do not come this way.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::Timeout;

#[cfg(test)]
mod tests;

/// Starts the work and lets it go on by itself.
///
/// It is nobody's: what it does in a database is not done as the test that happens to ask first.
pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(handle().spawn(work));
}

/// Does the work and waits for it, on whatever runtime that is, or on none.
///
/// # Panics
///
/// With what the work panicked with.
///
/// # Cancel safety
///
/// If this is dropped the work goes on to its end all the same, and its result is dropped there.
pub(super) async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    spawn(async move {
        // Whoever asked may have gone.
        done.send(caught(work).await).ok();
    });
    received(result).await
}

/// The same for work that is of no use when whoever asked is gone: it is dropped then, on this runtime.
pub(super) async fn run_while_wanted<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let (mut done, result) = oneshot::channel();
    spawn(async move {
        let worked = {
            let mut work = pin!(caught(work));
            let mut unwanted = pin!(done.closed());
            poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => unwanted.as_mut().poll(cx).map(|()| None),
            })
            .await
        };
        if let Some(result) = worked {
            done.send(result).ok();
        }
    });
    received(result).await
}

/// Whether this is its runtime.
pub(super) fn is_here() -> bool {
    Handle::try_current().is_ok_and(|here| here.id() == handle().id())
}

/// As [`tokio::time::timeout`], by a clock that is never paused.
pub(super) fn timeout<F: Future>(limit: Duration, work: F) -> Timeout<F> {
    let _entered = handle().enter();
    tokio::time::timeout(limit, work)
}

async fn received<T>(result: oneshot::Receiver<Caught<T>>) -> T {
    match result.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("the thread is never stopped: heirloom's bug"),
    }
}

/// The runtime. Its thread drives it for as long as the process lives.
fn handle() -> &'static Handle {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .expect("a runtime for the sessions with PostgreSQL: are there files left to open?");
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("heirloom-postgres".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .expect("a thread for the sessions with PostgreSQL");
        handle
    })
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

/// What the work gives, or what it panicked with.
async fn caught<F: Future>(work: F) -> Caught<F::Output> {
    let mut work = pin!(work);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}
