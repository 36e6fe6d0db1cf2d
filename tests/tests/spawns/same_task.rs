//! What runs several things at once without another task: all of it is the task's, on whatever thread that is polled.

use crate::rows::Whose::Inherited;
use crate::rows::{Seen, left_alone, left_alone_on_many};
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use heirloom::current;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{interval, sleep, timeout};

#[test]
fn timers() {
    async fn row() -> Vec<Seen> {
        sleep(Duration::from_millis(1)).await;
        let slept = current();
        let mut ticks = interval(Duration::from_millis(1));
        ticks.tick().await;
        ticks.tick().await;
        let ticked = current();
        let in_time = timeout(Duration::from_mins(1), async {
            tokio::task::yield_now().await;
            current()
        });
        let in_time = in_time.await.expect("it ends in time");
        let late = timeout(Duration::from_millis(1), std::future::pending::<()>());
        late.await.expect_err("it never ends");
        vec![slept, ticked, in_time, current()]
    }
    left_alone(row, Inherited, Inherited);
}

#[test]
fn branches_of_select_and_join() {
    async fn later() -> Seen {
        tokio::task::yield_now().await;
        current()
    }

    async fn row() -> Vec<Seen> {
        let selected = tokio::select! {
            seen = later() => seen,
            () = sleep(Duration::from_mins(1)) => None,
        };
        let (one, two) = tokio::join!(later(), later());
        let (three, four) = tokio::try_join!(async { Ok(later().await) }, async {
            Ok::<_, std::fmt::Error>(later().await)
        })
        .expect("both are fine");
        let (five, six) = futures_util::future::join(later(), later()).await;
        vec![selected, one, two, three, four, five, six]
    }
    left_alone(row, Inherited, Inherited);
}

#[test]
fn items_of_streams() {
    async fn item(_: u8) -> Seen {
        tokio::task::yield_now().await;
        current()
    }

    async fn row() -> Vec<Seen> {
        let unordered: FuturesUnordered<_> = (0..3).map(item).collect();
        let mut seen: Vec<_> = unordered.collect().await;
        seen.extend(
            stream::iter(0..3)
                .map(item)
                .buffer_unordered(2)
                .collect::<Vec<_>>()
                .await,
        );
        seen.extend(stream::iter(0..3).then(item).collect::<Vec<_>>().await);
        let each = Mutex::new(Vec::new());
        let push = async |number| {
            let seen = item(number).await;
            lock(&each).push(seen);
        };
        stream::iter(0..3).for_each_concurrent(2, push).await;
        seen.append(&mut lock(&each));
        assert_eq!(seen.len(), 12);
        seen
    }
    left_alone(row, Inherited, Inherited);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics")
}

#[test]
fn what_waits_for_a_notification_or_a_message() {
    async fn row() -> Vec<Seen> {
        let notify = Arc::new(Notify::new());
        let (send, mut receive) = mpsc::channel(1);
        let wakes = Arc::clone(&notify);
        // Nobody's thread wakes the owner's code.
        let thread = std::thread::spawn(move || {
            wakes.notify_one();
            send.blocking_send(current()).expect("somebody receives");
        });
        notify.notified().await;
        let notified = current();
        let told = receive.recv().await.expect("a message");
        assert_eq!(told, None, "a message says nothing of its sender");
        thread.join().expect("no panic");
        vec![notified, current()]
    }
    left_alone(row, Inherited, Inherited);
}

#[test]
fn what_runs_in_place() {
    async fn row() -> Vec<Seen> {
        let blocked = tokio::task::block_in_place(current);
        let unconstrained = tokio::task::unconstrained(async { current() }).await;
        vec![blocked, unconstrained, current()]
    }
    left_alone_on_many(row, Inherited, Inherited);
}

#[test]
fn executors_that_run_on_the_calling_thread() {
    async fn row() -> Vec<Seen> {
        use futures_util::task::LocalSpawnExt as _;
        let blocked = futures_executor::block_on(async { current() });
        let mut pool = futures_executor::LocalPool::new();
        let spawner = pool.spawner();
        let task = spawner
            .spawn_local_with_handle(async { current() })
            .expect("it takes work");
        vec![blocked, pool.run_until(task)]
    }
    left_alone(row, Inherited, Inherited);
}
