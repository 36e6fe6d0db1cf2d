//! One runtime for all tests, and code that nobody annotated: every spawn belongs to the test that it descends from.
#![cfg(tokio_unstable)]

use heirloom::{BoxError, Error, Owner, Sandbox, Test, current, runtime::tasks_of, sandboxed};
use heirloom_unstable::{SHARED, guests, insert, start, start_here, until_none_is_left, whose};
use std::sync::Barrier;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

#[test]
fn without_an_owner_nothing_is_inherited() {
    let seen = SHARED.block_on(whose()).expect("no panic");
    assert_eq!(seen, None, "or the tests below prove nothing");
}

#[sandboxed]
async fn a_task_its_children_and_theirs(owner: Owner) -> Result<(), BoxError> {
    let task = start(async {
        let child = start_here(async {
            tokio::task::yield_now().await;
            let grandchild = start_here(async { current() });
            vec![current(), grandchild.await.expect("no panic")]
        });
        let mut seen = child.await.expect("no panic");
        seen.push(current());
        seen
    });
    assert_eq!(task.await?, vec![Some(owner); 3]);
    Ok(())
}

#[sandboxed]
async fn every_way_to_spawn_a_future(owner: Owner) -> Result<(), BoxError> {
    async fn row() -> Vec<Option<Owner>> {
        let handle = tokio::runtime::Handle::current();
        let mut set = JoinSet::new();
        set.spawn(async { current() });
        set.spawn_on(async { current() }, &handle);
        let mut seen = set.join_all().await;
        seen.push(handle.spawn(async { current() }).await.expect("no panic"));
        let boxed: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async { current() });
        seen.push(tokio::spawn(boxed).await.expect("no panic"));
        seen
    }
    assert_eq!(start(row()).await?, vec![Some(owner); 4]);
    Ok(())
}

#[sandboxed]
async fn a_handle_on_another_thread(owner: Owner) -> Result<(), BoxError> {
    let entered = owner.clone();
    let nobodys = std::thread::Builder::new().name("nobodys".to_owned());
    #[unowned("the thread of a library that enters the owner when it works for it")]
    let thread = nobodys.spawn(move || {
        let before = whose();
        let _scope = entered.enter();
        (before, whose())
    });
    let (before, within) = thread?.join().expect("no panic");
    assert_eq!(before.await?, None);
    assert_eq!(within.await?, Some(owner));
    Ok(())
}

#[test]
fn two_tests_at_once_see_their_own_rows_only() {
    let both = Barrier::new(2);
    let run = |name: &'static str| {
        let ran = Test::here(name).run(async |_: Sandbox| {
            both.wait();
            let address = |number| format!("{number:02}@{name}.example.org");
            let tasks: Vec<_> = (0..50).map(|n| start(insert(address(n)))).collect();
            for task in tasks {
                task.await??;
            }
            both.wait();
            let seen = start(guests()).await??;
            assert_eq!(seen, (0..50).map(address).collect::<Vec<_>>());
            Ok(())
        });
        drop(ran);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run("one"));
        scope.spawn(|| run("two"));
    });
}

#[sandboxed]
async fn ten_thousand_tasks_of_two_owners(owner: Owner) -> Result<(), BoxError> {
    let other = Owner::start("other").await?;
    let (go, wait) = watch::channel(false);
    let work = || {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.expect("somebody says so");
            current()
        }
    };
    let mut tasks = Vec::new();
    for _ in 0..5_000 {
        tasks.push((start(work()), owner.clone()));
        let _scope = other.enter();
        tasks.push((start(work()), Owner::clone(&other)));
    }
    assert_eq!(tasks_of(&owner).len(), 5_000);
    assert_eq!(tasks_of(&other).len(), 5_000);
    go.send(true)?;
    for (task, whose) in tasks {
        assert_eq!(task.await?, Some(whose));
    }
    until_none_is_left(&owner).await;
    until_none_is_left(&other).await;
    other.stop().await?;
    Ok(())
}

#[sandboxed]
async fn a_task_is_told_with_the_place_where_it_was_spawned(owner: Owner) -> Result<(), BoxError> {
    let (go, wait) = oneshot::channel::<()>();
    let task = tokio_at_this_line(wait);
    let (id, at) = tasks_of(&owner)[0];
    assert_eq!(id, task.id());
    assert_eq!((at.file, at.line), (file!(), SPAWNED_AT));
    drop(go);
    task.await?;
    Ok(())
}

const SPAWNED_AT: u32 = line!() + 3;

fn tokio_at_this_line(wait: oneshot::Receiver<()>) -> tokio::task::JoinHandle<()> {
    SHARED.spawn(async { drop(wait.await) })
}

#[sandboxed]
async fn what_outlives_its_test_is_told_which_one_that_was() -> Result<(), BoxError> {
    let (go, wait) = oneshot::channel::<()>();
    let mut left = None;
    let out = &mut left;
    std::thread::scope(|scope| {
        let before = scope.spawn(|| {
            let ran = Test::here("before").run(async |_: Sandbox| {
                insert("ada@example.org".to_owned()).await?;
                *out = Some(start(async {
                    wait.await.expect_err("the other end is dropped");
                    guests().await
                }));
                Ok(())
            });
            drop(ran);
        });
        before.join().expect("no panic");
    });
    drop(go);
    let error = left
        .expect("it is set")
        .await?
        .expect_err("it has no database");
    let error = Error::from_sqlx(&error).ok_or("not ours")?;
    assert!(
        matches!(error, Error::OwnerEnded { ended, .. } if ended.owner == "before"),
        "{error}"
    );
    Ok(())
}
