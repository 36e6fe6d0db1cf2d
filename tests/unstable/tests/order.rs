//! What is closer than birth, and what is further: a scope, an allowance, birth, what was entered around the task, the
//! thread.
#![cfg(tokio_unstable)]

use heirloom::{BoxError, Checkin, FutureExt as _, Owner, current, owned, sandboxed};
use heirloom_unstable::{REPO, SHARED, guests, single, start, start_here, whose};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

#[sandboxed]
async fn a_scope_inside_of_the_task_is_closer(owner: Owner) -> Result<(), BoxError> {
    let other = Owner::start("other").await?;
    let entered = Owner::clone(&other);
    let seen = start(async move {
        let before = current();
        let scope = entered.enter();
        let (within, child) = (current(), whose());
        drop(scope);
        let awaited = async { current() }.owned_by(&entered).await;
        let child = child.await.expect("no panic");
        [before, within, child, awaited, current()]
    });
    let (of_test, of_other) = (Some(owner), Some(Owner::clone(&other)));
    let seen = seen.await?;
    assert_eq!(
        seen,
        [&of_test, &of_other, &of_other, &of_other, &of_test].map(Option::clone)
    );
    other.stop().await?;
    Ok(())
}

#[sandboxed]
async fn an_allowance_is_closer_than_birth(owner: Owner) -> Result<(), BoxError> {
    let other = Owner::start("other").await?;
    let (go, wait) = oneshot::channel();
    let task = start(async {
        let () = wait.await.expect("somebody says so");
        (current(), whose().await.expect("no panic"))
    });
    other.allow(&task)?;
    go.send(()).map_err(|()| "it has gone")?;
    let lent = Some(Owner::clone(&other));
    assert_eq!(task.await?, (lent.clone(), lent), "its children are heirs");
    assert_eq!(whose().await?, Some(owner), "others are not");
    other.stop().await?;
    Ok(())
}

#[sandboxed]
async fn a_task_is_an_heir_which_cannot_give_its_owners_session_back() -> Result<(), BoxError> {
    start(guests()).await??;
    assert_eq!(
        start(async { REPO.checkin().await }).await??,
        Checkin::NotOwner
    );
    assert_eq!(REPO.checkin().await?, Checkin::Ok);
    Ok(())
}

#[sandboxed]
async fn work_that_was_owned_where_it_was_made_stays_so(owner: Owner) -> Result<(), BoxError> {
    let made = owned(async { current() });
    let other = Owner::start("other").await?;
    let task = {
        let _scope = other.enter();
        start(made)
    };
    assert_eq!(task.await?, Some(owner));
    other.stop().await?;
    Ok(())
}

#[sandboxed]
async fn unowned_work_is_nobodys_and_so_are_its_children() -> Result<(), BoxError> {
    #[unowned("metrics of the whole process")]
    let task = SHARED.spawn(async { (current(), whose().await.expect("no panic")) });
    assert_eq!(task.await?, (None, None));
    // On a thread of the test, which would make it an heir.
    let runtime = single();
    #[unowned("metrics of the whole process")]
    let task = runtime.spawn(unowned());
    let thread = tokio::task::spawn_blocking(move || runtime.block_on(task));
    assert_eq!(thread.await??, (None, None));
    Ok(())
}

async fn unowned() -> (Option<Owner>, Option<Owner>) {
    let child = start_here(async { current() });
    (current(), child.await.expect("no panic"))
}

#[sandboxed]
async fn a_task_that_somebody_else_polls_is_its_spawners(owner: Owner) -> Result<(), BoxError> {
    // A runtime on one thread: whoever blocks on it runs everybody's tasks.
    let runtime = single();
    let handle = runtime.handle().clone();
    let task = start_on(&handle);
    let other = Owner::start("other").await?;
    let entered = Owner::clone(&other);
    #[unowned("it says itself whose it is")]
    let thread = std::thread::spawn(move || {
        let _scope = entered.enter();
        runtime.block_on(async { (task.await.expect("no panic"), current()) })
    });
    let seen = thread.join().expect("no panic");
    assert_eq!(seen, (Some(owner), Some(Owner::clone(&other))));
    other.stop().await?;
    Ok(())
}

fn start_on(handle: &tokio::runtime::Handle) -> tokio::task::JoinHandle<Option<Owner>> {
    handle.spawn(async { current() })
}

#[sandboxed]
async fn on_the_tests_own_thread_too(owner: Owner) -> Result<(), BoxError> {
    let other = Owner::start("other").await?;
    let handle = tokio::runtime::Handle::current();
    let runtime = single();
    let task = {
        let _scope = other.enter();
        start_on(runtime.handle())
    };
    // The thread of a test marks what runs on it, but what a task was born with is closer.
    let seen = tokio::task::spawn_blocking(move || runtime.block_on(task));
    assert_eq!(seen.await??, Some(Owner::clone(&other)));
    assert_eq!(start_on(&handle).await?, Some(owner));
    other.stop().await?;
    Ok(())
}

#[sandboxed]
async fn what_a_task_blocks_on_is_its_own(owner: Owner) -> Result<(), BoxError> {
    let task = start(async {
        tokio::task::block_in_place(|| {
            let runtime = single();
            let spawned = runtime.block_on(async { start_here(async { current() }).await });
            let local = LocalSet::new().block_on(&runtime, async { current() });
            let executor = SHARED.handle().block_on(async { current() });
            [spawned.expect("no panic"), local, executor, current()]
        })
    });
    assert_eq!(task.await?, vec![Some(owner); 4][..]);
    Ok(())
}

#[sandboxed]
async fn tokio_tells_of_no_blocking_task_and_of_none_on_a_local_set(
    owner: Owner,
) -> Result<(), BoxError> {
    assert_eq!(start(untouched()).await?, [None, Some(owner)]);
    #[unowned("a thread whose local set nobody annotated")]
    let thread = std::thread::spawn(|| single().block_on(LocalSet::new().run_until(local())));
    assert_eq!(thread.join().expect("no panic"), None);
    Ok(())
}

/// A blocking task left alone, and one that takes its owner along.
async fn untouched() -> [Option<Owner>; 2] {
    let lost = tokio::task::spawn_blocking(current);
    let carried = tokio::task::spawn_blocking(heirloom::owned_fn(current));
    [
        lost.await.expect("no panic"),
        carried.await.expect("no panic"),
    ]
}

async fn local() -> Option<Owner> {
    let born_to = Owner::start("local").await.expect("it starts");
    let task = {
        let _scope = born_to.enter();
        tokio::task::spawn_local(async { current() })
    };
    let seen = task.await.expect("no panic");
    born_to.stop().await.expect("it stops");
    seen
}
