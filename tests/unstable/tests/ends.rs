//! However a task ends, what it holds is dropped as its owner's, and nothing is left of it.
#![cfg(tokio_unstable)]

use heirloom::{BoxError, Owner, current, runtime, runtime::tasks_of, sandboxed};
use heirloom_unstable::{single, start, until_none_is_left, whose};
use std::future::pending;
use std::sync::mpsc;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

type Seen = Option<Owner>;

/// Says whose it is when it is dropped.
struct OnDrop(mpsc::Sender<Seen>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send(current()).expect("somebody listens");
    }
}

/// A task that holds one.
fn holding(
    work: impl Future<Output = ()> + Send + 'static,
) -> (JoinHandle<()>, mpsc::Receiver<Seen>) {
    holding_on(heirloom_unstable::SHARED.handle(), work)
}

fn holding_on(
    handle: &Handle,
    work: impl Future<Output = ()> + Send + 'static,
) -> (JoinHandle<()>, mpsc::Receiver<Seen>) {
    let (told, tell) = mpsc::channel();
    let held = OnDrop(told);
    let task = handle.spawn(async move {
        let _held = held;
        work.await;
    });
    (task, tell)
}

/// Runs a runtime for a moment and drops it, on a thread that is nobody's.
fn goes(runtime: Runtime) {
    let thread = std::thread::spawn(move || {
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        assert_eq!(current(), None);
    });
    thread.join().expect("no panic");
}

#[sandboxed]
async fn a_task_that_panics(owner: Owner) -> Result<(), BoxError> {
    let (task, dropped) = holding(async { std::panic::resume_unwind(Box::new("on purpose")) });
    assert!(task.await.expect_err("it panicked").is_panic());
    assert_eq!(dropped.recv()?, Some(owner.clone()));
    until_none_is_left(&owner).await;
    // The thread that caught it is nobody's again.
    let seen = std::thread::scope(|scope| {
        #[unowned("nobody spawns here")]
        let task = scope.spawn(whose);
        task.join().expect("no panic")
    });
    assert_eq!(seen.await?, None);
    Ok(())
}

#[sandboxed]
async fn a_task_that_is_aborted(owner: Owner) -> Result<(), BoxError> {
    let (task, dropped) = holding(pending());
    task.abort();
    assert!(task.await.expect_err("aborted").is_cancelled());
    assert_eq!(dropped.recv()?, Some(owner.clone()));
    until_none_is_left(&owner).await;
    Ok(())
}

#[sandboxed]
async fn tasks_that_a_drop_spawns_when_its_task_is_aborted(owner: Owner) -> Result<(), BoxError> {
    struct Goodbye(mpsc::Sender<JoinHandle<Seen>>);

    impl Drop for Goodbye {
        fn drop(&mut self) {
            self.0.send(whose()).expect("somebody listens");
        }
    }

    let (told, tell) = mpsc::channel();
    let goodbye = Goodbye(told);
    let task = start(async move {
        let _goodbye = goodbye;
        pending::<()>().await;
    });
    task.abort();
    task.await.expect_err("aborted");
    assert_eq!(tell.recv()?.await?, Some(owner));
    Ok(())
}

#[sandboxed]
async fn a_task_whose_handle_nobody_kept(owner: Owner) -> Result<(), BoxError> {
    let (_, dropped) = holding(async {});
    assert_eq!(dropped.recv()?, Some(owner.clone()));
    until_none_is_left(&owner).await;
    Ok(())
}

#[sandboxed]
async fn a_thousand_that_panic_are_aborted_or_end(owner: Owner) -> Result<(), BoxError> {
    let spawn = |number| {
        start(async move {
            tokio::task::yield_now().await;
            match number % 3 {
                0 => std::panic::resume_unwind(Box::new("on purpose")),
                1 => pending().await,
                _ => current(),
            }
        })
    };
    let tasks: Vec<_> = (0..1_000).map(spawn).collect();
    for (number, task) in tasks.into_iter().enumerate() {
        if number % 3 == 1 {
            task.abort();
        }
        match task.await {
            Ok(seen) => assert_eq!(seen.as_ref(), Some(&owner)),
            Err(error) => assert_eq!(error.is_panic(), number % 3 == 0),
        }
    }
    until_none_is_left(&owner).await;
    Ok(())
}

#[sandboxed]
async fn a_runtime_that_is_dropped(owner: Owner) -> Result<(), BoxError> {
    let runtime = single();
    let (_, dropped) = holding_on(runtime.handle(), pending());
    assert_eq!(tasks_of(&owner).len(), 1);
    goes(runtime);
    assert_eq!(dropped.recv()?, Some(owner.clone()));
    assert_eq!(tasks_of(&owner), []);
    Ok(())
}

#[sandboxed]
async fn a_spawn_on_a_runtime_that_is_gone(owner: Owner) -> Result<(), BoxError> {
    let runtime = single();
    let handle = runtime.handle().clone();
    goes(runtime);
    let (task, dropped) = holding_on(&handle, pending());
    assert!(task.await.expect_err("never run").is_cancelled());
    drop(dropped.recv()?);
    assert_eq!(tasks_of(&owner), [], "it was told of after it had ended");
    Ok(())
}

#[sandboxed]
async fn what_the_hooks_miss_goes_with_their_runtime(owner: Owner) -> Result<(), BoxError> {
    let mut builder = Builder::new_current_thread();
    runtime::inherit(&mut builder).on_task_terminate(|_| {}); // as somebody may who needs that hook
    let one = builder.build()?;
    drop(builder);
    let (task, dropped) = holding_on(one.handle(), async {});
    #[unowned("the thread that runs it is nobody's")]
    let thread = std::thread::spawn(move || one.block_on(task).map(|()| one));
    let one = thread.join().expect("no panic")?;
    assert_eq!(dropped.recv()?, Some(owner.clone()));
    assert_eq!(tasks_of(&owner).len(), 1);
    goes(one);
    assert_eq!(tasks_of(&owner), []);
    Ok(())
}
