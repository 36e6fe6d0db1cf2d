//! `unboxed`: real commits in the middle of a test, which keeps its own sandbox.

use heirloom::{Checkout, Error, Owner, Repo, Sandbox, unboxed};
use heirloom_tests::{
    MIGRATOR, count, empty_dir, failure_of, file_of, insert, nobodys, ours, says, test,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Sqlite, SqlitePool};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

#[test]
fn what_is_committed_outside_is_seen_outside_and_by_no_sandbox() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_commits").migrator(&MIGRATOR);
    drop(test("unboxed::commits").run(|_: Sandbox| async move {
        insert(&REPO, BOB).await?;
        unboxed(|| insert(&REPO, ADA)).await??;
        assert_eq!(unboxed(|| count(&REPO)).await??, 1);
        // Its own rows are still there, and not those outside.
        assert_eq!(count(&REPO).await?, 1);
        insert(&REPO, ADA).await?;
        assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
        Ok(())
    }));
    drop(test("unboxed::later").run(|_: Sandbox| async move {
        assert_eq!(count(&REPO).await?, 0, "a sandbox sees nothing of it");
        let all = unboxed(|| count(&REPO)).await??;
        assert_eq!(all, 1, "but it stays for those outside");
        Ok(())
    }));
    let outside = nobodys().block_on(unboxed(|| count(&REPO)));
    assert_eq!(outside.expect("runs").expect("counts"), 1);
}

#[test]
fn the_callers_open_transaction_stays_open_across_it() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_across").migrator(&MIGRATOR);
    drop(test("unboxed::across").run(|_: Sandbox| async move {
        let mut transaction = REPO.begin().await?;
        let mine = sqlx::query("INSERT INTO guests (email) VALUES ('mine@example.org')");
        mine.execute(&mut *transaction).await?;
        unboxed(|| insert(&REPO, "mine@example.org")).await??;
        let seen = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
        assert_eq!(seen.fetch_one(&mut *transaction).await?, 1);
        transaction.rollback().await?;
        assert_eq!(count(&REPO).await?, 0, "it could still be rolled back");
        assert_eq!(unboxed(|| count(&REPO)).await??, 1);
        Ok(())
    }));
}

#[test]
fn tasks_that_it_spawns_are_outside_too() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_tasks").migrator(&MIGRATOR);
    drop(test("unboxed::tasks").run(|_: Sandbox| async move {
        let spawned = unboxed(|| async {
            let owned = tokio::spawn(heirloom::owned(insert(&REPO, ADA)));
            owned.await.expect("no panic")
        });
        spawned.await??;
        assert_eq!(count(&REPO).await?, 0);
        assert_eq!(unboxed(|| count(&REPO)).await??, 1);
        Ok(())
    }));
}

#[test]
fn in_a_task_that_a_test_allowed_it_is_outside_too() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_allowed").migrator(&MIGRATOR);
    drop(test("unboxed::allowed").run(|sandbox: Sandbox| async move {
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let task = nobodys().spawn(async move {
            wait.await.ok();
            insert(&REPO, BOB).await?;
            let outside = unboxed(|| insert(&REPO, ADA)).await.map(drop);
            Ok::<_, sqlx::Error>((outside, count(&REPO).await?))
        });
        sandbox.owner().allow(&task)?;
        go.send(()).expect("it waits");
        let (outside, allowed) = task.await??;
        outside?;
        assert_eq!(allowed, 1, "before and afterwards it is the test's");
        assert_eq!(count(&REPO).await?, 1);
        let all = sqlx::query_scalar::<_, String>("SELECT email FROM guests");
        let outside = unboxed(|| all.fetch_all(&REPO)).await??;
        assert_eq!(outside, [ADA], "committed for real");
        Ok(())
    }));
}

#[test]
fn a_task_that_outlives_it_is_told_which_unboxed_it_was() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_outlived").migrator(&MIGRATOR);
    drop(test("unboxed::outlived").run(|_: Sandbox| async move {
        let started = line!() + 1;
        let task = unboxed(|| std::future::ready(Some(heirloom::owned(count(&REPO)))));
        let late = task.await?.expect("made");
        let error = late.await.expect_err("it has ended");
        assert!(matches!(ours(&error), Error::OwnerEnded { .. }));
        says(
            ours(&error),
            &[
                "`unboxed::outlived (unboxed)`",
                &format!("started at {}:{started}:", file!()),
            ],
        );
        Ok(())
    }));
}

#[test]
fn a_panic_inside_leaves_the_callers_sandbox_and_the_world_outside_usable() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_panics").migrator(&MIGRATOR);
    drop(test("unboxed::panics").run(|_: Sandbox| async move {
        insert(&REPO, BOB).await?;
        let before = file_of(&REPO).await?;
        let panics = tokio::spawn(async {
            let ran = unboxed(|| async {
                insert(&REPO, ADA).await.expect("committed");
                panic!("as planned");
            });
            ran.await
        });
        assert!(panics.await.is_err_and(|error| error.is_panic()));
        let (file, rows) = (file_of(&REPO).await?, count(&REPO).await?);
        assert_eq!((file, rows), (before, 1));
        let seen = heirloom::inspect();
        let left = |one: &&heirloom::OwnerView| one.name == "unboxed::panics (unboxed)";
        assert!(seen.owners.iter().find(left).is_none(), "{seen}");
        assert_eq!(
            unboxed(|| count(&REPO)).await??,
            1,
            "it was committed before"
        );
        Ok(())
    }));
}

#[test]
fn a_panic_comes_out_as_it_was() {
    let text = failure_of(AssertUnwindSafe(|| {
        test("unboxed::as_it_was").run(|_: Sandbox| async move {
            unboxed(|| async { panic!("the original message") }).await?;
            Ok(())
        })
    }));
    assert_eq!(text, "the original message");
}

#[test]
fn it_uses_the_repos_own_pool_and_leaves_it_open() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_given");
    let dir = empty_dir(env!("CARGO_TARGET_TMPDIR"), "ownership_unboxed_given");
    let own = nobodys().block_on(async {
        let options = SqliteConnectOptions::new().filename(dir.join("own.sqlite"));
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
        MIGRATOR.run(&pool).await?;
        Ok::<_, sqlx::Error>(pool)
    });
    let own = own.expect("a pool");
    REPO.init(own.clone()).expect("once");
    drop(test("unboxed::given").run(|_: Sandbox| async move {
        for email in [ADA, BOB] {
            unboxed(|| insert(&REPO, email)).await??;
        }
        Ok(())
    }));
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
    let count = nobodys().block_on(count.fetch_one(&own));
    assert_eq!(count.expect("it is open"), 2);
}

#[test]
fn inside_it_the_current_owner_is_its_own_and_afterwards_the_test() {
    let seen: Arc<Mutex<Vec<Owner>>> = Arc::default();
    let push = Arc::clone(&seen);
    drop(test("unboxed::owner").run(|sandbox: Sandbox| async move {
        let in_call = Arc::clone(&push);
        let inside = unboxed(move || {
            in_call.lock().expect("seen").extend(heirloom::current());
            async move { heirloom::current() }
        });
        let inside = inside.await?;
        push.lock().expect("seen").extend(inside);
        assert_eq!(heirloom::current().as_ref(), Some(sandbox.owner()));
        Ok(())
    }));
    let seen = seen.lock().expect("seen");
    let names: Vec<&str> = seen.iter().map(Owner::name).collect();
    assert_eq!(names, ["unboxed::owner (unboxed)"; 2]);
}

#[test]
fn a_test_with_isolation_none_is_outside_as_a_whole() {
    static REPO: Repo<Sqlite> = Repo::named("unboxed_whole").migrator(&MIGRATOR);
    drop(
        test("unboxed::whole")
            .isolation_none()
            .run(|_: Sandbox| async move {
                insert(&REPO, ADA).await?;
                assert_eq!(unboxed(|| count(&REPO)).await??, 1);
                Ok(())
            }),
    );
    drop(test("unboxed::in_a_sandbox").run(|_: Sandbox| async move {
        assert_eq!(count(&REPO).await?, 0);
        assert_eq!(unboxed(|| count(&REPO)).await??, 1);
        Ok(())
    }));
}
