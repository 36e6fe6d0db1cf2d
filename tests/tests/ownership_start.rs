//! Owners that are started by hand: over one repo or several, inside tests and outside, and how they end.

use heirloom::{Checkout, Error, FutureExt as _, Life, Owner, Repo, Sandbox, unboxed};
use heirloom_tests::{
    MIGRATOR, count, eventually, file_of, insert, kept_of, nobodys, ours, says, test, users_of,
};
use sqlx::Sqlite;
use sqlx::migrate::Migrator;
use std::path::Path;
use std::task::{Context, Waker};

static REPO: Repo<Sqlite> = Repo::new();
static SECOND: Repo<Sqlite> = Repo::named("start_second").migrator(&MIGRATOR);

const ADA: &str = "ada@example.org";

fn is_gone(file: &Path) -> Result<(), String> {
    if file.exists() {
        return Err(format!("{} is there", file.display()));
    }
    Ok(())
}

#[test]
fn the_next_owner_inserts_the_same_key_right_after_a_stop_and_no_file_is_left() {
    drop(test("start::again").run(|_: Sandbox| async move {
        for _ in 0..20 {
            let owner = Owner::start("start::import").repo(&REPO).await?;
            insert(&REPO, ADA).owned_by(&owner).await?;
            let file = file_of(&REPO).owned_by(&owner).await?;
            assert!(file.exists());
            owner.stop().await?;
            assert!(!file.exists());
        }
        Ok(())
    }));
}

#[test]
fn one_owner_has_a_session_on_each_of_several_repos_and_all_end_with_it() {
    drop(test("start::several").run(|_: Sandbox| async move {
        let owner = Owner::start("start::both")
            .repo(&REPO)
            .repo(&SECOND)
            .await?;
        let at_once: Vec<_> = heirloom::inspect().owners;
        let both = at_once.iter().find(|one| one.name == "start::both");
        assert_eq!(both.map(|one| one.sessions.len()), Some(2));
        let mut files = Vec::new();
        for repo in [&REPO, &SECOND] {
            insert(repo, ADA).owned_by(&owner).await?;
            assert_eq!(count(repo).owned_by(&owner).await?, 1);
            assert_eq!(count(repo).await?, 0, "the test has its own");
            files.push(file_of(repo).owned_by(&owner).await?);
        }
        assert_ne!(files[0], files[1]);
        owner.stop().await?;
        assert!(files.iter().all(|file| !file.exists()));
        Ok(())
    }));
}

#[test]
fn other_repos_open_on_first_use() {
    drop(test("start::lazily").run(|_: Sandbox| async move {
        let owner = Owner::start("start::lazy").await?;
        insert(&SECOND, ADA).owned_by(&owner).await?;
        let checkout = async { SECOND.checkout().await }.owned_by(&owner).await?;
        assert_eq!(checkout, Checkout::AlreadyOwner);
        let file = file_of(&SECOND).owned_by(&owner).await?;
        owner.stop().await?;
        assert!(!file.exists());
        Ok(())
    }));
}

#[test]
fn when_one_of_several_repos_fails_there_is_no_owner_and_no_file_of_the_others() {
    static LEDGERS: Migrator = sqlx::migrate!("schemas/other");
    static BROKEN: Migrator = sqlx::migrate!("schemas/broken");
    static FIRST: Repo<Sqlite> = Repo::named("start_ledgers").migrator(&LEDGERS);
    static WORSE: Repo<Sqlite> = Repo::named("start_worse").migrator(&BROKEN);
    /// Only this test has a table of that name.
    fn ledgers(file: &Path) -> usize {
        let run = file.parent().expect("a directory").read_dir();
        let files = run.expect("it is there").flatten();
        let files = files.filter_map(|file| std::fs::read(file.path()).ok());
        let has_it = |bytes: &Vec<u8>| bytes.windows(6).any(|part| part == b"ledger");
        files.filter(has_it).count()
    }
    drop(test("start::all_or_nothing").run(|_: Sandbox| async move {
        let file = file_of(&REPO).await?;
        let owner = Owner::start("start::first_alone").repo(&FIRST).await?;
        assert_eq!(ledgers(&file), 1, "or the look below shows nothing");
        owner.stop().await?;

        let failed = Owner::start("start::both_or_none")
            .repo(&FIRST)
            .repo(&WORSE);
        let error = failed.await.expect_err("the second cannot be migrated");
        assert!(matches!(
            error,
            Error::NotStarted {
                repo: "start_worse",
                ..
            }
        ));
        says(
            &error,
            &[
                "`start::both_or_none` has no session on repo `start_worse`, so it was not started",
                "migration 2 (add colour) failed",
                "no such table",
            ],
        );
        assert_eq!(ledgers(&file), 0, "the first one's session is gone");
        let seen = heirloom::inspect();
        assert!(
            seen.owners
                .iter()
                .all(|one| one.name != "start::both_or_none")
        );
        Ok(())
    }));
}

#[test]
fn a_task_has_a_session_of_its_own_although_its_parent_owns_one() {
    drop(test("start::parent").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let task = tokio::spawn(async {
            assert_eq!(count(&REPO).await?, 1, "first it is the parent's heir");
            let own = Owner::start("start::task").repo(&REPO).await?;
            let inside = async {
                assert_eq!(count(&REPO).await?, 0);
                insert(&REPO, ADA).await?;
                assert_eq!(tokio::spawn(count(&REPO).owned()).await.expect("runs")?, 1);
                insert(&REPO, "bob@example.org").await
            };
            inside.owned_by(&own).await?;
            own.stop().await?;
            count(&REPO).await
        });
        assert_eq!(task.await??, 1, "then the parent's again");
        Ok(())
    }));
}

#[test]
fn an_owner_outside_tests_has_the_packages_migrations() {
    let rows = nobodys().block_on(async {
        let owner = Owner::start("start::outside").repo(&REPO).await?;
        insert(&REPO, ADA).owned_by(&owner).await?;
        let rows = count(&REPO).owned_by(&owner).await?;
        owner.stop().await?;
        Ok::<_, sqlx::Error>(rows)
    });
    assert_eq!(rows.expect("it works"), 1);
}

#[test]
fn a_use_after_stop_names_the_owner_who_stopped_it_and_where() {
    drop(test("start::stops").run(|_: Sandbox| async move {
        let started = line!() + 1;
        let owner = Owner::start("start::stopped").repo(&REPO).await?;
        let late = count(&REPO).owned_by(&owner);
        let asked = async { REPO.pool().await.map(drop) }.owned_by(&owner);
        let asked_at = line!() - 1;
        let gone = Owner::clone(&owner);
        let stopped = line!() + 1;
        owner.stop().await?;
        assert_eq!(gone.life(), Life::Ended);
        let late = late.await.expect_err("it has ended");
        let parts = [
            "repo `default` was used by something that outlived",
            "`start::stopped`",
            &format!("started at {}:{started}:", file!()),
            &format!("at {}:{stopped}:", file!()),
            "ended by: thread",
            "help:",
        ];
        assert!(matches!(ours(&late), Error::OwnerEnded { .. }));
        says(ours(&late), &parts);
        let asked = asked.await.expect_err("it has ended");
        says(&asked, &parts);
        says(&asked, &[&format!("{}:{asked_at}:", file!())]);
        let checkout = async { REPO.checkout().await }.owned_by(&gone).await;
        assert!(matches!(checkout, Err(Error::OwnerEnded { .. })));
        let beside = Owner::start("start::stopped").repo(&REPO).await?;
        assert_eq!(
            count(&REPO).owned_by(&beside).await?,
            0,
            "a name is no identity"
        );
        beside.stop().await?;
        Ok(())
    }));
}

#[test]
fn stop_waits_for_whoever_is_inside_and_sends_waiters_home() {
    drop(test("start::waits").run(|_: Sandbox| async move {
        let owner = Owner::start("start::busy").repo(&REPO).await?;
        let file = file_of(&REPO).owned_by(&owner).await?;
        let gone = Owner::clone(&owner);
        let (begun, holds) = tokio::sync::oneshot::channel();
        let ends = gone.clone();
        let holder = tokio::spawn(
            async move {
                let mut transaction = REPO.begin().await?;
                let mut rest = Vec::new();
                for _ in 1..10 {
                    rest.push(REPO.acquire().await?);
                }
                begun.send(()).expect("the test waits");
                eventually(|| match ends.life() {
                    Life::Running => Err("it has not begun to end".to_owned()),
                    _ => Ok(()),
                })
                .await;
                let insert = sqlx::query("INSERT INTO guests (email) VALUES ('x')");
                insert.execute(&mut *transaction).await?;
                transaction.commit().await
            }
            .owned_by(&owner),
        );
        holds.await?;
        let waiter = async { REPO.acquire().await.map(drop) };
        let waiter = tokio::spawn(waiter.owned_by(&owner));
        eventually(|| match users_of("start::busy") {
            users if users.iter().any(|user| user.starts_with("used by")) => Ok(()),
            users => Err(users.join(", ")),
        })
        .await;
        owner.stop().await?;
        assert!(!file.exists());
        holder.await?.expect("it could finish what it had begun");
        let waiter = waiter.await?.expect_err("it never got in");
        assert!(
            matches!(ours(&waiter), Error::OwnerEnded { .. }),
            "{waiter}"
        );
        says(ours(&waiter), &["`start::busy`", "ended by: thread"]);
        Ok(())
    }));
}

#[test]
fn stop_says_that_a_connection_is_held_keeps_the_file_and_ends_the_owner_all_the_same() {
    drop(test("start::held").run(|_: Sandbox| async move {
        let owner = Owner::start("start::holder").repo(&REPO).await?;
        let gone = Owner::clone(&owner);
        let file = file_of(&REPO).owned_by(&owner).await?;
        let acquire = async { REPO.acquire().await };
        let mut held = acquire.owned_by(&owner).await?;
        let error = owner.stop().await.expect_err("it is held");
        assert!(matches!(error, Error::NotStopped { .. }));
        says(
            &error,
            &[
                "`start::holder` has ended, but",
                "a connection of its pool (1 open)",
                "help:",
            ],
        );
        assert_eq!(gone.life(), Life::Ended);
        assert!(!file.exists());
        let insert = sqlx::query("INSERT INTO guests (email) VALUES ('late')");
        let late = insert.execute(&mut *held).await;
        assert!(late.is_err(), "whoever holds it commits nothing any more");
        let kept = kept_of("start::holder", &file);
        assert!(kept.is_some_and(|kept| std::fs::remove_file(kept).is_ok()));
        Ok(())
    }));
}

#[test]
fn an_owner_that_is_dropped_without_stop_leaves_no_file_and_cuts_short_what_runs() {
    drop(test("start::drops").run(|_: Sandbox| async move {
        let owner = Owner::start("start::dropped")
            .repo(&REPO)
            .repo(&SECOND)
            .await?;
        let gone = Owner::clone(&owner);
        let file = file_of(&REPO).owned_by(&owner).await?;
        let second = file_of(&SECOND).owned_by(&owner).await?;
        // It would run for ever.
        let endless = sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        );
        let endless = async { endless.execute(&REPO).await.map(drop) };
        let endless = tokio::spawn(endless.owned_by(&owner));
        eventually(|| match users_of("start::dropped") {
            users if users.iter().any(|user| user.starts_with("used by")) => Ok(()),
            users => Err(users.join(", ")),
        })
        .await;
        drop(owner);
        assert_eq!(gone.life(), Life::Ended);
        let error = endless.await?.expect_err("it is cut short");
        says(ours(&error), &["`start::dropped`", "outlived"]);
        for file in [file, second] {
            eventually(|| is_gone(&file)).await;
        }
        Ok(())
    }));
}

#[test]
fn a_start_that_is_dropped_halfway_leaves_no_owner() {
    use std::task::{Context, Waker};
    drop(test("start::halfway").run(|_: Sandbox| async move {
        drop(Owner::start("start::never").repo(&REPO));
        let mut start = Owner::start("start::never").repo(&REPO).into_future();
        let first = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(first);
        drop(start);
        let seen = heirloom::inspect();
        let left = seen.owners.iter().find(|one| one.name == "start::never");
        assert!(left.is_none(), "{seen}");
        Ok(())
    }));
}

#[test]
fn a_test_ends_with_what_it_started_and_did_not_stop() {
    let mut left = None;
    let out = &mut left;
    drop(test("start::forgets").run(|_: Sandbox| async move {
        let owner = Owner::start("start::forgotten").repo(&REPO).await?;
        *out = Some(file_of(&REPO).owned_by(&owner).await?);
        Ok(())
    }));
    let file = left.expect("set");
    heirloom_tests::wait_until(|| is_gone(&file));
}

#[test]
fn a_stop_that_is_cancelled_half_way_lets_nobody_commit_outside_the_sandbox() {
    static OUTSIDE: Repo<Sqlite> = Repo::named("start_outside").migrator(&MIGRATOR);
    drop(test("start::cancels").run(|_: Sandbox| async move {
        for polls in 0..4 {
            let owner = Owner::start("start::cancelled").sandbox(false);
            let owner = owner.repo(&OUTSIDE).await?;
            let begun = async { OUTSIDE.begin().await };
            let mut held = begun.owned_by(&owner).await?;
            let insert = sqlx::query("INSERT INTO guests (email) VALUES (?)").bind(ADA);
            insert.execute(&mut *held).await?;
            let mut stop = Box::pin(owner.stop());
            for _ in 0..polls {
                let polled = stop.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "its transaction is held");
            }
            drop(stop);
            held.commit().await.expect_err("its owner has ended");
            let seen = heirloom::inspect();
            let left = seen.owners.iter().any(|one| one.name == "start::cancelled");
            assert!(!left, "{seen}");
            let committed = unboxed(|| count(&OUTSIDE)).await??;
            assert_eq!(committed, 0, "cancelled after {polls} polls");
        }
        Ok(())
    }));
}
