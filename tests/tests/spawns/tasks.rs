//! Tasks of tokio: on the runtime that runs, on another one, on local sets.

use crate::rows::Whose::{Inherited, Lost};
use crate::rows::{ByHand, Hand, LeftAlone, Seen, by_hand, left_alone, left_alone_on_many};
use heirloom::{FutureExt as _, Owner, Sandbox, current, owned_task};
use heirloom_tests::{nobodys, test};
use std::sync::mpsc;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::task::{JoinMap, LocalPoolHandle, TaskTracker};

#[test]
fn spawned_tasks() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let task = tokio::spawn(H::future(async { current() }));
        let by_handle = Handle::current().spawn(H::future(async { current() }));
        vec![
            task.await.expect("no panic"),
            by_handle.await.expect("no panic"),
        ]
    }
    left_alone(row::<LeftAlone>, Inherited, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn tasks_of_join_sets_join_maps_and_trackers() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let mut set = JoinSet::new();
        set.spawn(H::future(async { current() }));
        set.spawn_on(H::future(async { current() }), &Handle::current());
        set.spawn_blocking(H::closure(current));
        let mut seen = set.join_all().await;
        let mut map = JoinMap::new();
        map.spawn("key", H::future(async { current() }));
        while let Some((_, task)) = map.join_next().await {
            seen.push(task.expect("no panic"));
        }
        let tracker = TaskTracker::new();
        let task = tracker.spawn(H::future(async { current() }));
        seen.push(task.await.expect("no panic"));
        seen
    }
    left_alone(row::<LeftAlone>, Inherited, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn blocking_tasks() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let task = tokio::task::spawn_blocking(H::closure(current));
        let by_handle = Handle::current().spawn_blocking(H::closure(current));
        vec![
            task.await.expect("no panic"),
            by_handle.await.expect("no panic"),
        ]
    }
    left_alone(row::<LeftAlone>, Inherited, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn local_tasks_of_a_set_that_the_owners_code_awaits() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let set = LocalSet::new();
        let by_set = set.spawn_local(H::local(async { current() }));
        let run = set.run_until(async {
            let task = tokio::task::spawn_local(H::local(async { current() }));
            let mut tasks = JoinSet::new();
            tasks.spawn_local(H::local(async { current() }));
            let mut seen = tasks.join_all().await;
            seen.push(task.await.expect("no panic"));
            seen
        });
        let mut seen = run.await;
        seen.push(by_set.await.expect("no panic"));
        seen
    }
    // They run inside of the code that awaits the set.
    left_alone(row::<LeftAlone>, Inherited, Inherited);
    by_hand(row::<ByHand>);
}

#[test]
fn local_tasks_of_a_set_on_a_thread_of_its_own() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let (told, tell) = oneshot::channel();
        let work = H::future(async { current() });
        // A library's: the thread is there already, and waits for work.
        let (submit, submitted) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().build()?;
            let work = submitted.recv().expect("somebody submits");
            let task = async { tokio::task::spawn_local(work).await.expect("no panic") };
            told.send(LocalSet::new().block_on(&runtime, task))
                .expect("somebody listens");
            Ok::<_, std::io::Error>(())
        });
        submit.send(work).expect("it waits");
        let seen = tell.await.expect("told");
        thread.join().expect("no panic").expect("a runtime");
        vec![seen]
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn pinned_tasks_of_a_local_pool() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let work = H::future(async { current() });
        let task = LocalPoolHandle::new(1).spawn_pinned(|| work);
        vec![task.await.expect("no panic")]
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn tasks_on_another_runtime() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let other = Runtime::new().expect("a runtime");
        let work = || H::future(async { current() });
        let mut set = JoinSet::new();
        set.spawn_on(work(), other.handle());
        set.spawn_blocking_on(H::closure(current), other.handle());
        let mut seen = set.join_all().await;
        seen.push(other.spawn(work()).await.expect("no panic"));
        seen.push(other.handle().spawn(work()).await.expect("no panic"));
        other.shutdown_background();
        seen
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn tasks_that_a_drop_spawns() {
    /// Says goodbye in a task, as an async destructor has to.
    struct Goodbye<H: Hand>(Option<oneshot::Sender<Seen>>, std::marker::PhantomData<H>);

    impl<H: Hand> Drop for Goodbye<H> {
        fn drop(&mut self) {
            let told = self.0.take().expect("dropped once");
            drop(tokio::spawn(H::future(async {
                told.send(current()).expect("somebody listens");
            })));
        }
    }

    async fn row<H: Hand>() -> Vec<Seen> {
        let (told, tell) = oneshot::channel();
        drop(Goodbye::<H>(Some(told), std::marker::PhantomData));
        vec![tell.await.expect("told")]
    }
    left_alone(row::<LeftAlone>, Inherited, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn tasks_that_an_annotated_drop_spawns_also_when_its_task_is_aborted() {
    struct Goodbye(Option<oneshot::Sender<Seen>>);

    #[owned_task]
    impl Drop for Goodbye {
        fn drop(&mut self) {
            let told = self.0.take().expect("dropped once");
            drop(tokio::spawn(async {
                told.send(current()).expect("somebody listens");
            }));
        }
    }

    #[owned_task]
    async fn row() -> Vec<Seen> {
        let (told, tell) = oneshot::channel();
        let goodbye = Goodbye(Some(told));
        let task = tokio::spawn(async move {
            let _goodbye = goodbye;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        task.abort();
        vec![tell.await.expect("told")]
    }
    by_hand(row);
}

#[test]
fn what_a_nested_block_on_runs_and_what_it_spawns() {
    /// On the thread that blocks.
    async fn blocks<H: Hand>() -> Vec<Seen> {
        tokio::task::block_in_place(|| {
            let nested = Builder::new_current_thread().build().expect("a runtime");
            let on_this_thread = nested.block_on(async {
                let task = tokio::spawn(H::future(async { current() }));
                vec![current(), task.await.expect("no panic")]
            });
            let by_handle = Handle::current().block_on(async { current() });
            [on_this_thread, vec![by_handle]].concat()
        })
    }

    /// On the threads of the runtime that is blocked on.
    async fn spawns<H: Hand>() -> Vec<Seen> {
        tokio::task::block_in_place(|| {
            let nested = Runtime::new().expect("a runtime");
            let task = async { tokio::spawn(H::future(async { current() })).await };
            let seen = nested.block_on(task).expect("no panic");
            nested.shutdown_background();
            vec![seen]
        })
    }
    left_alone_on_many(blocks::<LeftAlone>, Inherited, Inherited);
    left_alone_on_many(spawns::<LeftAlone>, Lost, Lost);
    left_alone_on_many(spawns::<ByHand>, Inherited, Inherited);
}

#[test]
fn a_task_stays_whose_it_is_whoever_wakes_it() {
    drop(test("wakes").run(async |sandbox: Sandbox| {
        let other = Owner::start("other").await?;
        let (wake, woken) = oneshot::channel();
        let waits = async {
            let () = woken.await.expect("it is woken");
            current()
        };
        let waits = nobodys().spawn(waits.owned_by(sandbox.owner()));
        {
            let _scope = other.enter();
            wake.send(()).map_err(|()| std::fmt::Error)?;
        }
        assert_eq!(waits.await?.as_ref(), Some(sandbox.owner()));
        other.stop().await?;
        Ok(())
    }));
}
