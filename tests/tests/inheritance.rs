//! Who inherits: every way of running something else, on threads that no test has marked, so that only the annotation
//! can be what carries the owner. One test per row of `docs/spawns.md`; what happens without it is in `spawns`.

use heirloom::{Owner, Sandbox, current, owned_task};
use heirloom_tests::test;
use std::future::Future;
use std::sync::mpsc;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::task::{JoinMap, LocalPoolHandle, TaskTracker};

type Seen = Option<Owner>;

/// Runs a row as an owner on a runtime that is nobody's; every sighting must be that owner.
#[track_caller]
fn inherits<F: Future<Output = Vec<Seen>>>(row: impl FnOnce() -> F) {
    let (owner, seen) = run(row);
    assert!(!seen.is_empty());
    for sighting in seen {
        assert_eq!(sighting.as_ref(), Some(&owner));
    }
}

fn run<F: Future<Output = Vec<Seen>>>(row: impl FnOnce() -> F) -> (Owner, Vec<Seen>) {
    let nobodys = Runtime::new().expect("a runtime");
    let mut result = None;
    let out = &mut result;
    drop(test("inherits").run_blocking(
        |sandbox: Sandbox| async move { Ok(sandbox) },
        |sandbox: Sandbox| {
            // A thread of nobody's, entered: as an actor or a server's thread that works for an owner just now.
            let owner = sandbox.owner().clone();
            let ran =
                nobodys.block_on(heirloom::FutureExt::owned_by(async { row().await }, &owner));
            *out = Some((owner, ran));
        },
    ));
    result.expect("it ran")
}

#[test]
fn without_an_annotation_nothing_is_inherited_here() {
    let (_, seen) =
        run(|| async { vec![tokio::spawn(async { current() }).await.expect("no panic")] });
    assert_eq!(seen, [None], "or the rows below prove nothing");
}

#[test]
fn tokio_spawn_and_its_grandchildren() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let child = tokio::spawn(async {
            let grandchild = tokio::spawn(async { current() });
            vec![current(), grandchild.await.expect("no panic")]
        });
        child.await.expect("no panic")
    }
    inherits(row);
}

#[test]
fn a_future_that_untouched_code_spawns_inherits_when_it_was_called() {
    #[owned_task]
    async fn worker() -> Seen {
        tokio::task::yield_now().await;
        current()
    }
    inherits(|| async { vec![tokio::spawn(worker()).await.expect("no panic")] });
}

#[test]
fn blocking_tasks() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let handle = tokio::runtime::Handle::current();
        vec![
            tokio::task::spawn_blocking(current)
                .await
                .expect("no panic"),
            handle.spawn_blocking(|| current()).await.expect("no panic"),
        ]
    }
    inherits(row);
}

#[test]
fn local_tasks() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let set = LocalSet::new();
        let first = set.spawn_local(async { current() });
        let second = set.run_until(async {
            tokio::task::spawn_local(async { current() })
                .await
                .expect("no panic")
        });
        let second = second.await;
        set.await;
        let pool = LocalPoolHandle::new(1);
        let third = pool
            .spawn_pinned(|| async { current() })
            .await
            .expect("no panic");
        vec![first.await.expect("no panic"), second, third]
    }
    inherits(row);
}

#[test]
fn local_tasks_on_a_thread_of_their_own() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let thread = std::thread::spawn(|| {
            let runtime = Runtime::new().expect("a runtime");
            let task = async { tokio::task::spawn_local(async { current() }).await };
            LocalSet::new().block_on(&runtime, task)
        });
        vec![thread.join().expect("no panic").expect("no panic")]
    }
    inherits(row);
}

#[test]
fn join_sets_maps_and_trackers() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut set = JoinSet::new();
        set.spawn(async { current() });
        set.spawn_blocking(|| current());
        set.spawn_on(async { current() }, &tokio::runtime::Handle::current());
        seen.extend(set.join_all().await);
        let mut map = JoinMap::new();
        map.spawn("key", async { current() });
        while let Some((_, sighting)) = map.join_next().await {
            seen.push(sighting.expect("no panic"));
        }
        let tracker = TaskTracker::new();
        seen.push(tracker.spawn(async { current() }).await.expect("no panic"));
        seen
    }
    inherits(row);
}

#[test]
fn another_runtime() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let other = Runtime::new().expect("a runtime");
        let there = other.spawn(async { current() }).await.expect("no panic");
        other.shutdown_background();
        vec![there]
    }
    inherits(row);
}

#[test]
fn threads() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let mut seen = vec![std::thread::spawn(|| current()).join().expect("no panic")];
        let named = std::thread::Builder::new().name("named".to_owned());
        seen.push(
            named
                .spawn(|| current())
                .expect("a thread")
                .join()
                .expect("no panic"),
        );
        std::thread::scope(|scope| {
            let scoped = scope.spawn(|| current());
            seen.push(scoped.join().expect("no panic"));
        });
        seen
    }
    inherits(row);
}

#[test]
fn rayon_jobs() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let (told, tell) = mpsc::channel();
        let spawned = told.clone();
        rayon::spawn(move || spawned.send(current()).expect("somebody listens"));
        let (left, right) = rayon::join(|| current(), || current());
        let scoped = told.clone();
        rayon::scope(move |scope| {
            scope.spawn(move |_| scoped.send(current()).expect("somebody listens"));
        });
        drop(told);
        [left, right].into_iter().chain(tell).collect()
    }
    inherits(row);
}

#[test]
fn futures_executors() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        use futures_util::task::SpawnExt as _;
        let pool = futures_executor::ThreadPool::new().expect("a pool");
        let handle = pool
            .spawn_with_handle(async { current() })
            .expect("spawned");
        let (told, tell) = tokio::sync::oneshot::channel();
        pool.spawn_ok(async { told.send(current()).expect("somebody listens") });
        vec![handle.await, tell.await.expect("told")]
    }
    inherits(row);
}

#[test]
fn branches_of_select_and_join() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        let selected = tokio::select! {
            seen = tokio::spawn(async { current() }) => seen.expect("no panic"),
        };
        let (left, right) = tokio::join!(
            tokio::spawn(async { current() }),
            tokio::spawn(async { current() }),
        );
        vec![selected, left.expect("no panic"), right.expect("no panic")]
    }
    inherits(row);
}

#[test]
fn methods_of_an_impl_block_and_functions_of_a_module() {
    struct Actor;

    #[owned_task]
    impl Actor {
        fn start(self) -> tokio::task::JoinHandle<Seen> {
            tokio::spawn(self.run())
        }

        async fn run(self) -> Seen {
            current()
        }
    }

    #[owned_task]
    mod jobs {
        pub(super) fn start() -> tokio::task::JoinHandle<super::Seen> {
            tokio::spawn(async { heirloom::current() })
        }
    }

    inherits(|| async {
        vec![
            Actor.start().await.expect("no panic"),
            jobs::start().await.expect("no panic"),
        ]
    });
}

#[test]
fn timers_and_drops_stay_the_owners() {
    struct OnDrop(mpsc::Sender<Seen>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.send(current()).expect("somebody listens");
        }
    }

    #[owned_task]
    async fn row() -> Vec<Seen> {
        let (told, tell) = mpsc::channel();
        let guard = OnDrop(told);
        let task = tokio::spawn(async move {
            let _guard = guard;
            tokio::time::sleep(std::time::Duration::from_hours(1)).await;
        });
        tokio::task::yield_now().await;
        task.abort();
        task.await.expect_err("aborted");
        tell.into_iter().collect()
    }
    inherits(row);
}

#[test]
fn what_is_marked_unowned_is_nobodys() {
    #[owned_task]
    async fn row() -> Vec<Seen> {
        #[unowned("a metrics exporter of the whole process")]
        let exporter = tokio::spawn(async { current() });
        vec![exporter.await.expect("no panic")]
    }
    assert_eq!(run(row).1, [None]);
    // On the test's own runtime, too, whose threads would make it an heir.
    drop(test("unowned").run(|_: Sandbox| async {
        assert_eq!(row().await, [None]);
        Ok(())
    }));
}
