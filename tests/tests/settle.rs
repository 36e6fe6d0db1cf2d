//! Settling: nothing of the test is running, woken or in flight, and nobody sleeps to find out.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use heirloom::{ClosureExt, Error, FutureExt as _, Sandbox, owned, owned_fn, sandboxed};
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const SHORT: Duration = Duration::from_millis(100);

/// What is told of a sandbox that does not settle.
async fn told(sandbox: &Sandbox) -> String {
    let error = sandbox.settle_within(SHORT).await.unwrap_err();
    assert!(matches!(error, Error::NotSettled { .. }), "{error}");
    error.to_string()
}

/// Goes to the end of the queue so many times.
async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// What dependencies do: nothing of it is known to heirloom.
mod dependency {
    use std::future::Future;

    pub(super) fn start<F>(work: F) -> tokio::task::JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(work)
    }
}

/// Raised by dropping it.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[sandboxed]
async fn an_empty_test_is_settled(sandbox: Sandbox) {
    sandbox.settle_within(Duration::ZERO).await.unwrap();
}

#[sandboxed]
async fn tasks_that_run_are_waited_for_and_tasks_that_wait_are_not(sandbox: Sandbox) {
    let done = Arc::new(AtomicUsize::new(0));
    let (never, waits) = oneshot::channel::<()>();
    for _ in 0..100 {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            yields(50).await;
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    let parked = tokio::spawn(waits);
    sandbox.settle().await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 100);
    assert!(!parked.is_finished());
    never.send(()).unwrap();
    sandbox.settle().await.unwrap();
    assert!(parked.is_finished());
}

#[sandboxed]
async fn tasks_that_a_dependency_spawns_are_waited_for(sandbox: Sandbox) {
    let done = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&done);
    drop(dependency::start(async move {
        yields(1000).await;
        raised.store(true, Ordering::SeqCst);
    }));
    sandbox.settle().await.unwrap();
    assert!(done.load(Ordering::SeqCst));
}

/// Two tasks that heirloom does not know send a byte to and fro over a socket: between any two steps nothing is woken, and
/// only the system knows that something is to come.
async fn ping_pong(rounds: usize) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rounds_done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds_done);
    drop(dependency::start(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut byte = [0];
        while peer.read_exact(&mut byte).await.is_ok() {
            peer.write_all(&byte).await.unwrap();
        }
    }));
    drop(dependency::start(async move {
        let mut peer = TcpStream::connect(address).await.unwrap();
        for round in 1..=rounds {
            peer.write_all(b"x").await.unwrap();
            peer.read_exact(&mut [0]).await.unwrap();
            counted.store(round, Ordering::SeqCst);
        }
        pending::<()>().await;
    }));
    rounds_done
}

#[sandboxed]
async fn what_is_on_its_way_through_a_socket_is_waited_for(sandbox: Sandbox) {
    let rounds = ping_pong(2000).await;
    sandbox.settle().await.unwrap();
    assert_eq!(rounds.load(Ordering::SeqCst), 2000);
}

#[sandboxed(flavor = "multi_thread", worker_threads = 3)]
async fn and_on_several_threads(sandbox: Sandbox) {
    let rounds = ping_pong(2000).await;
    sandbox.settle().await.unwrap();
    assert_eq!(rounds.load(Ordering::SeqCst), 2000);
}

#[sandboxed]
async fn a_task_that_never_rests_is_named_with_its_place(sandbox: Sandbox) {
    let line = line!() + 1;
    let task = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let text = told(&sandbox).await;
    let place = format!("spawned at {}:{line}:", file!());
    for part in [
        "`settle::a_task_that_never_rests_is_named_with_its_place` had not settled after 100ms",
        "task in `settle::a_task_that_never_rests_is_named_with_its_place",
        &place,
        ", polled ",
        "help: ",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    task.abort();
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn a_dependencys_task_that_never_rests_is_told_of(sandbox: Sandbox) {
    let task = dependency::start(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let text = told(&sandbox).await;
    assert!(
        text.contains("the test's runtime, which had something to do all the time: 1 tasks"),
        "{text}"
    );
    task.abort();
}

#[sandboxed]
async fn a_blocking_job_is_waited_for_and_a_thread_unless_it_sleeps(sandbox: Sandbox) {
    static DONE: AtomicBool = AtomicBool::new(false);
    static GO_ON: AtomicBool = AtomicBool::new(true);
    drop(tokio::task::spawn_blocking(|| {
        let mut sum = 0_u64;
        for number in 0..3_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        DONE.store(true, Ordering::SeqCst);
    }));
    sandbox.settle().await.unwrap();
    assert!(DONE.load(Ordering::SeqCst));

    // One that sleeps may wait for what somebody else does for it; a thread of its own is an actor, most likely.
    let (wake, woken) = mpsc::channel::<()>();
    let (begins, begun) = oneshot::channel();
    let sleeps = tokio::task::spawn_blocking(move || {
        begins.send(()).unwrap();
        woken.recv().is_err()
    });
    begun.await.unwrap();
    assert!(told(&sandbox).await.contains("blocking job in "));
    drop(wake);
    assert!(sleeps.await.unwrap());
    let (wake, woken) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || woken.recv().is_err());
    sandbox.settle().await.unwrap();
    assert!(!thread.is_finished());
    drop(wake);
    sandbox.join().await.unwrap();
    assert!(thread.join().unwrap());

    let (begins, begun) = oneshot::channel();
    let spins = tokio::task::spawn_blocking(move || {
        begins.send(()).unwrap();
        while GO_ON.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    begun.await.unwrap();
    let text = told(&sandbox).await;
    assert!(
        text.contains("blocking job in ") && text.contains(": running on thread "),
        "{text}"
    );
    GO_ON.store(false, Ordering::Relaxed);
    spins.await.unwrap();
}

#[sandboxed]
async fn a_thread_is_waited_for_from_before_it_starts(sandbox: Sandbox) {
    for _ in 0..50 {
        let done = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&done);
        drop(std::thread::spawn(move || {
            raised.store(true, Ordering::SeqCst);
        }));
        sandbox.settle().await.unwrap();
        assert!(done.load(Ordering::SeqCst));
    }
}

#[sandboxed]
async fn work_on_another_runtime_is_waited_for(sandbox: Sandbox) {
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        for _ in 0..10 {
            let done = Arc::clone(&done);
            other.spawn(async move {
                yields(3).await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        let before = done.load(Ordering::SeqCst);
        sandbox.settle().await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst) % 10, 0, "{before}");
    }
    assert_eq!(done.load(Ordering::SeqCst), 2000);
    other.shutdown_background();
}

#[sandboxed]
async fn a_future_is_over_when_nothing_of_it_is_left(sandbox: Sandbox) {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&dropped));
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    other.spawn(owned(poll_fn(move |_| {
        let _held = &flag;
        Poll::Ready(())
    })));
    sandbox.join().await.unwrap();
    assert!(dropped.load(Ordering::SeqCst));
    other.shutdown_background();
}

#[sandboxed]
async fn a_future_that_was_handed_out_and_never_polled_is_named(sandbox: Sandbox) {
    let kept = async {}.owned();
    let text = told(&sandbox).await;
    assert!(text.contains("not started yet"), "{text}");
    drop(kept);
    let job = owned_fn(|| ());
    assert!(told(&sandbox).await.contains("thread or job in "));
    drop(job);
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn a_task_may_settle_too_and_several_at_once(sandbox: Sandbox) {
    let one = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.settle().await }
    });
    let two = tokio::spawn({
        let sandbox = sandbox.clone();
        async move {
            yields(10).await;
            sandbox.settle().await
        }
    });
    let (first, second) = tokio::join!(sandbox.settle(), sandbox.settle());
    first.and(second).unwrap();
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    sandbox.settle().await.unwrap();
}

#[sandboxed]
async fn a_wake_that_nobody_polls_for_is_no_work(sandbox: Sandbox) {
    let (wake, woken) = oneshot::channel::<()>();
    // Polled once, then set aside by a task that goes on to something else.
    drop(tokio::spawn(async move {
        let mut aside = std::pin::pin!(woken.owned());
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

#[sandboxed(start_paused = true)]
async fn a_paused_clock_stands_still_while_a_test_settles(sandbox: Sandbox) {
    let started = tokio::time::Instant::now();
    let waits = tokio::spawn(async { tokio::time::sleep(Duration::from_hours(1)).await });
    sandbox.settle().await.unwrap();
    assert!(!waits.is_finished());
    assert!(started.elapsed() < Duration::from_secs(1));
    sandbox.join().await.unwrap();
    assert!(waits.is_finished());
    assert!(started.elapsed() >= Duration::from_hours(1));
}

#[sandboxed]
async fn joining_waits_for_what_waits_but_not_for_actors(sandbox: Sandbox) {
    let done = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&done);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        raised.store(true, Ordering::SeqCst);
    });
    let actor = tokio::spawn(pending::<()>().owned().named("pricing"));
    sandbox.join().await.unwrap();
    assert!(done.load(Ordering::SeqCst));
    assert!(!actor.is_finished());
    tokio::spawn(async { pending::<()>().await });
    let error = sandbox.join_within(SHORT).await.unwrap_err().to_string();
    for part in [
        "had not ended all its tasks after 100ms",
        ": waiting, polled once",
        "is an actor",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    assert!(!error.contains("pricing"), "{error}");
}

#[sandboxed]
fn a_test_that_is_not_async_settles_too(sandbox: Sandbox) {
    let done = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&done);
    let runtime = tokio::runtime::Handle::current();
    runtime.spawn(async move {
        yields(100).await;
        raised.store(true, Ordering::SeqCst);
    });
    runtime.block_on(sandbox.settle()).unwrap();
    assert!(done.load(Ordering::SeqCst));
}

#[sandboxed]
async fn an_owner_that_is_stopped_drops_its_tasks_on_any_runtime(_: Sandbox) {
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let owner = heirloom::Owner::start("import").await.unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&dropped));
    let (polled, seen) = oneshot::channel();
    let spawn = || {
        other.spawn(async move {
            polled.send(()).unwrap();
            pending::<()>().await;
            drop(flag);
        })
    };
    let task = ClosureExt::owned_by(spawn, &owner)();
    // Part of this test's own task: it goes on.
    let lent = std::pin::pin!(async { seen.await.is_ok() }.owned_by(&owner));
    assert!(lent.await);
    owner.stop().await.unwrap();
    assert!(dropped.load(Ordering::SeqCst));
    let text = task.await.unwrap_err().to_string();
    assert!(
        text.contains("aborted by heirloom: its owner `import` has ended"),
        "{text}"
    );
    other.shutdown_background();
}
