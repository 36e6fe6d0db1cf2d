//! What a person reads when a test leaves something behind: each text is a file beside this one. And what a test that leaves
//! nothing does at its end, in which order, and that it says nothing of it.
//!
//! `HEIRLOOM_BLESS=1` writes the texts; read them like prose afterwards.

#![allow(clippy::unwrap_used, reason = "in tests")]

#[path = "drain/golden.rs"]
mod golden;
#[path = "drain/order.rs"]
mod order;
#[path = "drain/policies.rs"]
mod policies;
#[path = "drain/silence.rs"]
mod silence;

use golden::reads;
use heirloom::__private::in_flight;
use heirloom::{BoxError, Drain, Envelope, Sandbox, Test, owned, owned_fn, owned_task, sandboxed};
use sqlx::{Executor as _, PgPool, SqlitePool};
use std::future::pending;
use std::hint::spin_loop;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// A test that is not to wait for long.
#[track_caller]
fn guest_is_welcomed() -> Test {
    Test::here("guestbook::guest_is_welcomed").drain_timeout(Duration::from_millis(200))
}

/// For what has to be so before the body ends, as its end does not wait for long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a database call is seen that says this.
async fn until_seen(part: &str) {
    let started = Instant::now();
    loop {
        let seen = in_flight().await;
        if seen.iter().any(|line| line.contains(part)) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "under way: {seen:?}");
        yield_now().await;
    }
}

/// With `RUST_BACKTRACE` the message of a panic can take longer than that.
#[track_caller]
fn guest_is_welcomed_with_time() -> Test {
    guest_is_welcomed().drain_timeout(PATIENCE)
}

#[owned_task(name = "pricing")]
async fn pricing(mut orders: UnboundedReceiver<u32>) {
    while let Some(order) = orders.recv().await {
        assert!(order < 100, "no price for order {order}");
    }
}

#[test]
fn an_actor_that_panics() {
    reads("actor_panics", || {
        guest_is_welcomed_with_time().run(|_: Sandbox| async {
            let (send, orders) = unbounded_channel();
            tokio::spawn(pricing(orders));
            send.send(7)?;
            send.send(700)?;
            Ok(())
        })
    });
}

#[test]
fn several_tasks_that_panic() {
    reads("tasks_panic", || {
        guest_is_welcomed_with_time().run(|_: Sandbox| async {
            for guest in ["Ada", "Grace"] {
                let seat = tokio::spawn(owned(async move { panic!("no chair for {guest}") }));
                assert!(seat.await.unwrap_err().is_panic());
            }
            tokio::task::spawn_blocking(owned_fn(|| panic_any(42)));
            Ok(())
        })
    });
}

#[owned_task]
async fn wait_for_a_letter() {
    pending::<()>().await;
}

#[test]
fn a_task_that_never_ends_and_is_waited_for() {
    reads("never_ends", || {
        let test = guest_is_welcomed().drain(Drain::Join);
        test.run(|sandbox: Sandbox| async move {
            tokio::spawn(wait_for_a_letter());
            // It waits.
            sandbox.settle_within(PATIENCE).await?;
            Ok(())
        })
    });
}

#[owned_task]
async fn look_out_for_guests() {
    loop {
        yield_now().await;
    }
}

#[test]
fn a_task_that_never_rests() {
    reads("never_rests", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            tokio::spawn(look_out_for_guests());
            Ok(())
        })
    });
}

#[owned_task]
fn call_the_next_one() {
    tokio::spawn(async {
        yield_now().await;
        call_the_next_one();
    });
}

#[test]
fn a_task_that_spawns_for_ever() {
    reads("spawns_for_ever", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            call_the_next_one();
            Ok(())
        })
    });
}

#[test]
fn a_dependencys_task_that_never_rests() {
    reads("dependency_never_rests", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            tokio::spawn(async {
                loop {
                    yield_now().await;
                }
            });
            Ok(())
        })
    });
}

static GOES_ON: AtomicBool = AtomicBool::new(true);

#[owned_task]
fn count_the_chairs(begins: oneshot::Sender<()>) {
    tokio::task::spawn_blocking(move || {
        begins.send(()).ok();
        while GOES_ON.load(Ordering::Relaxed) {
            spin_loop();
        }
    });
}

/// Goes on until it is dropped.
struct Works(&'static AtomicBool);

impl Drop for Works {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_blocking_job_that_works_for_ever() {
    let _works = Works(&GOES_ON);
    reads("job_works", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            let (begins, begun) = oneshot::channel();
            count_the_chairs(begins);
            begun.await?;
            Ok(())
        })
    });
}

#[owned_task]
fn wait_for_the_key(begins: oneshot::Sender<()>, key: mpsc::Receiver<()>) {
    tokio::task::spawn_blocking(move || {
        begins.send(()).ok();
        key.recv().is_ok()
    });
}

#[test]
fn a_blocking_job_that_waits_for_ever() {
    let (wake, woken) = mpsc::channel();
    reads("job_waits", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            let (begins, begun) = oneshot::channel();
            wait_for_the_key(begins, woken);
            begun.await?;
            Ok(())
        })
    });
    drop(wake);
}

#[test]
fn a_dependencys_blocking_job_that_waits_for_ever() {
    let (wake, woken) = mpsc::channel::<()>();
    reads("dependency_job_waits", || {
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            tokio::task::spawn_blocking(move || woken.recv().is_ok());
            // Its thread sleeps.
            sandbox.settle_within(PATIENCE).await?;
            Ok(())
        })
    });
    drop(wake);
}

#[owned_task]
fn keep_the_door(bell: mpsc::Receiver<()>) {
    std::thread::spawn(move || bell.recv().is_ok());
}

#[test]
fn a_thread_that_does_not_end() {
    let (wake, woken) = mpsc::channel();
    reads("thread_stays", || {
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            keep_the_door(woken);
            // It sleeps.
            sandbox.settle_within(PATIENCE).await?;
            Ok(())
        })
    });
    drop(wake);
}

#[test]
fn a_task_on_another_runtime_that_heirloom_cannot_end() {
    // Spawned where nobody has annotated the spawn, so that the future is a part of somebody else's task.
    let mut desk = Builder::new_multi_thread();
    let desk = desk.worker_threads(1).build().expect("a runtime");
    reads("elsewhere", || {
        let desk = &desk;
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            desk.spawn(wait_for_a_letter());
            // It is the test's from its first poll on, which is before that of this one.
            desk.spawn(async {}).await?;
            // Its thread sleeps.
            sandbox.settle_within(PATIENCE).await?;
            Ok(())
        })
    });
    desk.shutdown_background();
}

struct Invitation(&'static str);

#[test]
fn a_message_that_nobody_handles() {
    let (send, inbox) = unbounded_channel();
    reads("message_unhandled", || {
        guest_is_welcomed().run(|_: Sandbox| async {
            send.send(Envelope::new(Invitation("Ada")))?;
            Ok(())
        })
    });
    let mut inbox = inbox;
    let envelope = inbox.try_recv().expect("it was sent");
    assert_eq!(envelope.into_inner().0, "Ada");
}

#[owned_task]
async fn ask_postgres(pool: PgPool) -> sqlx::Result<()> {
    pool.execute("SELECT pg_sleep(3600) -- a report").await?;
    Ok(())
}

#[test]
fn a_statement_in_flight_on_postgres() {
    reads("statement_on_postgres", || {
        guest_is_welcomed()
            .no_migrations()
            .run(|sandbox: Sandbox| async move {
                let pool: PgPool = sandbox.get().await.map_err(std::io::Error::other)?;
                tokio::spawn(ask_postgres(pool));
                until_seen("has run `SELECT pg_sleep(3600)").await;
                Ok(())
            })
    });
}

#[owned_task]
async fn ask_sqlite(pool: SqlitePool, begins: oneshot::Sender<()>) -> sqlx::Result<()> {
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut connection = pool.acquire().await?;
    begins.send(()).ok();
    connection.execute(endless).await?;
    Ok(())
}

#[test]
fn a_statement_in_flight_on_sqlite() {
    reads("statement_on_sqlite", || {
        guest_is_welcomed()
            .no_migrations()
            .run(|sandbox: Sandbox| async move {
                let pool: SqlitePool = sandbox.get().await.map_err(std::io::Error::other)?;
                let (begins, begun) = oneshot::channel();
                tokio::spawn(ask_sqlite(pool, begins));
                // Before that, what is at work may be the opening of the connection.
                begun.await?;
                until_seen("has been at work for ").await;
                Ok(())
            })
    });
}

#[test]
fn a_teardown_that_leaves_something() {
    reads("teardown_leaves", || {
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            sandbox.on_teardown(|| async {
                tokio::spawn(look_out_for_guests());
                Ok(())
            });
            Ok(())
        })
    });
}

#[test]
fn a_teardown_that_does_not_end() {
    reads("teardown_stays", || {
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            sandbox.on_teardown(|| async {
                pending::<()>().await;
                Ok(())
            });
            Ok(())
        })
    });
}

#[test]
fn a_teardown_that_fails() {
    reads("teardown_fails", || {
        guest_is_welcomed().run(|sandbox: Sandbox| async move {
            sandbox.on_teardown(|| async { Err::<(), BoxError>("the door is locked".into()) });
            Ok(())
        })
    });
}

#[sandboxed]
async fn panics_that_are_taken_fail_nobody(sandbox: Sandbox) {
    let task = tokio::spawn(async { panic!("as it should") });
    assert!(task.await.unwrap_err().is_panic());
    let panics = sandbox.take_panics();
    let [panicked] = panics.as_slice() else {
        panic!("one task has panicked: {panics:?}");
    };
    assert_eq!(panicked.message, "as it should");
    assert_eq!(panicked.task.spawned_at.file, file!());
    assert!(sandbox.take_panics().is_empty());
}
