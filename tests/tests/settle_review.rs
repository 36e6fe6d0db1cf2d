//! Settling where it was once wrong: each of these returned too early, or never.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use heirloom::{Envelope, FutureExt as _, Sandbox, owned, sandboxed};
use sqlx::PgPool;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// What dependencies do: nothing of it is known to heirloom.
mod dependency {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::{Duration, Instant};
    use tokio::sync::mpsc;

    pub(super) fn start<F>(work: F) -> tokio::task::JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(work)
    }

    pub(super) fn start_local<F: Future<Output = ()> + 'static>(work: F) {
        drop(tokio::task::spawn_local(work));
    }

    pub(super) fn start_blocking(work: impl FnOnce() + Send + 'static) {
        drop(tokio::task::spawn_blocking(work));
    }

    pub(super) async fn size() -> u64 {
        tokio::fs::metadata(".").await.unwrap().len()
    }

    /// Keeps its thread at work for a while whenever it is polled.
    pub(super) fn start_a_busy_neighbour(on: &tokio::runtime::Runtime) {
        drop(on.spawn(async {
            loop {
                let started = Instant::now();
                while started.elapsed() < Duration::from_millis(20) {}
                tokio::task::yield_now().await;
            }
        }));
    }

    pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// One task that does everybody's jobs.
    pub(super) fn start_a_worker(on: &tokio::runtime::Runtime) -> mpsc::UnboundedSender<Job> {
        use futures_util::StreamExt as _;
        let (jobs, mut inbox) = mpsc::unbounded_channel::<Job>();
        drop(on.spawn(async move {
            let mut open = futures_util::stream::FuturesUnordered::new();
            loop {
                tokio::select! {
                    job = inbox.recv() => match job {
                        Some(job) => open.push(job),
                        None => return,
                    },
                    Some(()) = open.next() => {}
                }
            }
        }));
        jobs
    }
}

async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

fn flag() -> (Arc<AtomicBool>, impl FnOnce() + Send + 'static) {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    (flag, move || raised.store(true, Ordering::SeqCst))
}

fn other() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
}

#[sandboxed(isolation = "database")]
async fn a_transaction_that_is_held_in_a_database_of_its_own_is_no_call(
    pool: PgPool,
    sandbox: Sandbox,
) {
    let held = pool.begin().await.unwrap();
    sandbox.settle().await.unwrap();
    drop(held);
}

#[sandboxed]
async fn a_task_that_yields_beside_a_busy_neighbour_elsewhere_is_waited_for(sandbox: Sandbox) {
    let other = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (done, raise) = flag();
    let (tell, told) = oneshot::channel();
    other.spawn(owned(async move {
        tell.send(()).unwrap();
        yields(30).await;
        raise();
    }));
    other.spawn(async {});
    dependency::start_a_busy_neighbour(&other);
    told.await.unwrap();
    sandbox.settle().await.unwrap();
    assert!(done.load(Ordering::SeqCst));
    other.shutdown_background();
}

/// Runs a dependency's local task beside a wait for it.
async fn waits_for_local_tasks(sandbox: Sandbox) {
    let (done, raise) = flag();
    let set = tokio::task::LocalSet::new();
    let local = async {
        dependency::start_local(async move {
            yields(1000).await;
            raise();
        });
        sandbox.settle().await.unwrap();
        assert!(done.load(Ordering::SeqCst));
    };
    set.run_until(local).await;
}

#[sandboxed]
async fn local_tasks_that_a_dependency_spawns_are_waited_for(sandbox: Sandbox) {
    waits_for_local_tasks(sandbox).await;
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_are_those_beside_several_threads(sandbox: Sandbox) {
    waits_for_local_tasks(sandbox).await;
}

#[sandboxed]
async fn a_dependencys_blocking_job_is_waited_for_before_its_thread_has_begun(sandbox: Sandbox) {
    let (done, raise) = flag();
    dependency::start_blocking(raise);
    sandbox.settle().await.unwrap();
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn a_task_that_looks_at_a_file_is_waited_for() {
    for _ in 0..200 {
        let _ = heirloom_tests::test("looks").run(|sandbox: Sandbox| async move {
            let (done, raise) = flag();
            drop(tokio::spawn(owned(async move {
                dependency::size().await;
                raise();
            })));
            sandbox.settle().await.unwrap();
            assert!(done.load(Ordering::SeqCst));
            Ok(())
        });
    }
}

#[sandboxed]
async fn a_wake_that_a_dependency_does_not_poll_for_is_no_work(sandbox: Sandbox) {
    let (wake, woken) = oneshot::channel::<()>();
    let aside = woken.owned();
    drop(dependency::start(async move {
        let mut aside = std::pin::pin!(aside);
        poll_fn(|cx| {
            assert!(aside.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        pending::<()>().await;
    }));
    sandbox.settle().await.unwrap();
    wake.send(()).unwrap();
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn an_envelope_that_an_actor_keeps_is_no_work(sandbox: Sandbox) {
    let other = other();
    let (tell, told) = oneshot::channel();
    let starter = Envelope::standing(());
    drop(
        other.spawn(
            heirloom::owned(async move {
                starter.clone().handle(async |()| ()).await;
                tell.send(()).unwrap();
                pending::<()>().await;
                drop(starter);
            })
            .named("keeps"),
        ),
    );
    told.await.unwrap();
    sandbox.settle().await.unwrap();
    other.shutdown_background();
}

#[test]
fn a_task_that_does_the_jobs_of_several_owners_does_not_end_with_one_of_them() {
    let other = other();
    let jobs = dependency::start_a_worker(&other);
    let sent = jobs.clone();
    let test = heirloom_tests::test("has_a_job").drain_timeout(Duration::from_millis(50));
    let failed = heirloom_tests::failure_of(|| {
        test.run(|sandbox: Sandbox| async move {
            let (tell, told) = oneshot::channel();
            let job = owned(async move {
                tell.send(()).unwrap();
                pending::<()>().await;
            });
            sent.send(Box::pin(job)).ok().unwrap();
            told.await.unwrap();
            // Until the worker's thread sleeps, as the end of the test does not wait long for that.
            let patience = Duration::from_mins(1);
            sandbox.settle_within(patience).await.unwrap();
            Ok(())
        })
    });
    assert!(
        failed.contains("what is on another runtime is ended by its own code only"),
        "{failed}"
    );
    let (done, is_done) = oneshot::channel();
    jobs.send(Box::pin(async move { done.send(()).unwrap() }))
        .ok()
        .unwrap();
    other.block_on(is_done).unwrap();
    other.shutdown_background();
}

/// The other side of a teardown that time has no part in.
fn told_by_a_thread() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    drop(std::thread::spawn(move || {
        let mut sum = 0_u64;
        for number in 0..3_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        tell.send(()).ok();
    }));
    told
}

#[sandboxed(start_paused = true)]
async fn a_teardown_has_its_time_although_the_clock_is_paused(sandbox: Sandbox) {
    sandbox.on_teardown(|| async { Ok(told_by_a_thread().await?) });
}
