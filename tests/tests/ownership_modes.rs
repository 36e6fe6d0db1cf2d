//! A repo's mode: what changing it answers, whom it takes the session from, and what those are told. Every test has a
//! repo of its own, since a mode is the process's.

use heirloom::{Checkin, Checkout, Error, FutureExt as _, Mode, ModeChange, Owner, Repo, Sandbox};
use heirloom_tests::{
    MIGRATOR, count, eventually, file_of, insert, nobodys, ours, says, test, users_of,
};
use sqlx::{Sqlite, SqlitePool};

const ADA: &str = "ada@example.org";

#[test]
fn set_mode_answers_ok_already_shared_not_owner_and_not_found() {
    static REPO: Repo<Sqlite> = Repo::named("modes_answers").migrator(&MIGRATOR);
    drop(test("modes::answers").run(|sandbox: Sandbox| async move {
        let owner = sandbox.owner().clone();
        let share = || Mode::Shared(owner.clone());
        assert_eq!(REPO.set_mode(share()).await?, ModeChange::NotFound);
        assert_eq!(REPO.mode(), Mode::Manual);

        assert_eq!(REPO.checkout().await?, Checkout::New);
        let heir = tokio::spawn(set_mode_inside(&REPO, share()));
        assert_eq!(heir.await??, ModeChange::NotOwner);
        assert_eq!(REPO.mode(), Mode::Manual);

        assert_eq!(REPO.set_mode(share()).await?, ModeChange::Ok);
        assert_eq!(REPO.mode(), share());
        assert_eq!(REPO.set_mode(share()).await?, ModeChange::Ok);

        let other = Owner::start("modes::other").repo(&REPO).await?;
        let theirs = Mode::Shared(Owner::clone(&other));
        assert_eq!(REPO.set_mode(theirs).await?, ModeChange::AlreadyShared);
        assert_eq!(REPO.mode(), share());
        assert_eq!(count(&REPO).owned_by(&other).await?, 0, "it kept its own");
        other.stop().await?;

        let ended = Owner::start("modes::ended").repo(&REPO).await?;
        let gone = Owner::clone(&ended);
        ended.stop().await?;
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        let theirs = Mode::Shared(gone);
        assert_eq!(REPO.set_mode(theirs).await?, ModeChange::NotFound);
        Ok(())
    }));
}

/// Asked inside the task: outside it would be the test that asks.
async fn set_mode_inside(repo: &'static Repo<Sqlite>, mode: Mode) -> Result<ModeChange, Error> {
    repo.set_mode(mode).await
}

#[test]
fn the_same_mode_again_takes_nobodys_session() {
    static REPO: Repo<Sqlite> = Repo::named("modes_same").migrator(&MIGRATOR);
    drop(test("modes::same").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        assert_eq!(REPO.mode(), Mode::Manual);
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        assert_eq!(count(&REPO).await?, 1, "the session is still the same");
        assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
        Ok(())
    }));
}

#[test]
fn a_change_takes_the_session_from_holder_waiter_and_next_use_and_tells_each_by_whom() {
    static REPO: Repo<Sqlite> = Repo::named("modes_victim").migrator(&MIGRATOR);
    const LAST: u32 = 10; // sqlx's default `max_connections`
    drop(test("modes::culprit").run(|_: Sandbox| async move {
        let victim = Owner::start("modes::victim").repo(&REPO).await?;
        let started = line!() - 1;
        let file = file_of(&REPO).owned_by(&victim).await?;

        let (begun, holds) = tokio::sync::oneshot::channel();
        let holder = async move {
            let mut transaction = REPO.begin().await?;
            let insert = sqlx::query("INSERT INTO guests (email) VALUES ('held@example.org')");
            insert.execute(&mut *transaction).await?;
            let mut rest = Vec::new();
            for _ in 1..LAST {
                rest.push(REPO.acquire().await?);
            }
            begun.send(()).expect("the test waits");
            eventually(|| match REPO.mode() {
                Mode::Auto => Ok(()),
                mode => Err(format!("the mode is {mode}")),
            })
            .await;
            drop(rest);
            Ok::<_, sqlx::Error>(transaction.commit().await.is_err())
        };
        let holder = tokio::spawn(holder.owned_by(&victim));
        holds.await?;
        let waited_at = line!() + 1;
        let waiter = async { REPO.acquire().await.map(drop) };
        let waiter = tokio::spawn(waiter.owned_by(&victim));
        let waits = || match users_of("modes::victim") {
            users if users.iter().any(|user| user.starts_with("used by")) => Ok(()),
            users => Err(users.join(", ")),
        };
        eventually(waits).await;
        assert!(!waiter.is_finished(), "every connection is held");

        assert_eq!(REPO.set_mode(Mode::Auto).await?, ModeChange::Ok);
        let changed = line!() - 1;
        assert!(holder.await??, "what the holder did cannot be committed");
        assert!(!file.exists(), "it is rolled back when `set_mode` is done");

        let (me, told_by) = (file!(), format!("{}:{changed}:", file!()));
        let waiter = waiter.await?.expect_err("its session is gone");
        let next = count(&REPO).owned_by(&victim).await.expect_err("gone");
        for error in [&waiter, &next] {
            assert!(matches!(ours(error), Error::SessionEnded { .. }));
            says(
                ours(error),
                &[
                    "repo `modes_victim`",
                    &format!("owner: `modes::victim`, started at {me}:{started}:"),
                    "by a change of the repo's mode to Auto",
                    &format!("at {told_by}"),
                    "used just then: by thread",
                    &format!("{me}:{waited_at}:"),
                    "help: set modes before the tests start",
                ],
            );
        }
        // The owner itself is well, and gets a new session when it asks for one.
        let again = async { (REPO.checkout().await, count(&REPO).await) };
        let (checkout, count) = again.owned_by(&victim).await;
        assert_eq!((checkout?, count?), (Checkout::New, 0));
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        victim.stop().await?;
        Ok(())
    }));
}

#[test]
fn sharing_takes_every_other_session_but_not_the_owners_own() {
    static REPO: Repo<Sqlite> = Repo::named("modes_sharing").migrator(&MIGRATOR);
    drop(test("modes::sharing").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let other = Owner::start("modes::evicted").repo(&REPO).await?;
        insert(&REPO, ADA).owned_by(&other).await?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        assert_eq!(count(&REPO).await?, 1, "its own rows are still there");
        let error = count(&REPO).owned_by(&other).await.expect_err("taken");
        says(
            ours(&error),
            &[
                "`modes::evicted`",
                "a change of the repo's mode to Shared by `modes::sharing`",
                "last used: by",
            ],
        );
        // Others may have one of their own beside it.
        assert_eq!(
            REPO.checkout().into_future().owned_by(&other).await?,
            Checkout::AlreadyOwner,
            "it was asked for by the test itself"
        );
        let theirs = async { REPO.checkout().await }.owned_by(&other).await?;
        assert_eq!(theirs, Checkout::New);
        assert_eq!(count(&REPO).owned_by(&other).await?, 0);
        other.stop().await?;
        Ok(())
    }));
}

#[test]
fn nobodys_code_uses_the_shared_session_until_its_owner_gives_it_back() {
    static REPO: Repo<Sqlite> = Repo::named("modes_checkin").migrator(&MIGRATOR);
    drop(test("modes::lender").run(|sandbox: Sandbox| async move {
        REPO.checkout().await.map(drop)?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        nobodys().spawn(insert(&REPO, ADA)).await??;
        assert_eq!(count(&REPO).await?, 1, "in the owner's own session");

        assert_eq!(REPO.checkin().await?, Checkin::Ok);
        assert_eq!(REPO.mode(), Mode::Manual);
        let error = nobodys().spawn(count(&REPO)).await?.expect_err("nobody's");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        says(ours(&error), &["the repo's mode: `Manual`"]);
        Ok(())
    }));
}

#[test]
fn a_shared_repo_is_manual_after_its_owner_and_the_error_says_by_whom_it_was_shared() {
    static REPO: Repo<Sqlite> = Repo::named("modes_sharer").migrator(&MIGRATOR);
    let line = line!() + 1;
    drop(test("modes::sharer").run(|sandbox: Sandbox| async move {
        REPO.checkout().await.map(drop)?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        nobodys().spawn(count(&REPO)).await??;
        Ok(())
    }));
    assert_eq!(REPO.mode(), Mode::Manual);
    let error = nobodys().block_on(nobodys().spawn(count(&REPO)));
    let error = error.expect("no panic").expect_err("nobody's");
    says(
        ours(&error),
        &[
            "nobody owns this use of repo `modes_sharer`",
            "the repo's mode: `Manual` again; it was shared by `modes::sharer`",
            &format!("started at {}:{line}:", file!()),
            "which ended",
            "ago at",
        ],
    );
    // The next one may share it, as nobody does any more.
    drop(test("modes::next").run(|sandbox: Sandbox| async move {
        REPO.checkout().await.map(drop)?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        assert_eq!(nobodys().spawn(count(&REPO)).await??, 0);
        Ok(())
    }));
}

#[test]
fn an_heir_of_another_owner_keeps_its_own_session_while_a_repo_is_shared() {
    static REPO: Repo<Sqlite> = Repo::named("modes_own").migrator(&MIGRATOR);
    drop(test("modes::shares").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        let own = std::thread::spawn(|| {
            drop(test("modes::has_its_own").run(|_: Sandbox| async move {
                assert_eq!(count(&REPO).await?, 0);
                assert_eq!(tokio::spawn(count(&REPO)).await??, 0);
                Ok(())
            }));
        });
        own.join().expect("it passes");
        assert_eq!(nobodys().spawn(count(&REPO)).await??, 1);
        Ok(())
    }));
}

#[test]
fn in_auto_mode_owners_have_their_sessions_and_everybody_else_the_pool() {
    static REPO: Repo<Sqlite> = Repo::named("modes_auto").migrator(&MIGRATOR);
    let plain = async {
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
        let pool: SqlitePool = options.connect("sqlite::memory:").await?;
        MIGRATOR.run(&pool).await?;
        REPO.init(pool)?;
        let error = count(&REPO).await.expect_err("manual");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        assert_eq!(REPO.set_mode(Mode::Auto).await?, ModeChange::Ok);
        insert(&REPO, ADA).await?;
        insert(&REPO, "bob@example.org").await?;
        assert_eq!(count(&REPO).await?, 2);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    nobodys().block_on(plain).expect("the plain pool is used");
    drop(test("modes::in_auto").run(|_: Sandbox| async move {
        assert_eq!(count(&REPO).await?, 0);
        insert(&REPO, ADA).await?;
        assert_eq!(tokio::spawn(count(&REPO)).await??, 1);
        assert_eq!(nobodys().spawn(count(&REPO)).await??, 2);
        // What was begun by an owner is taken when the mode changes, the pool is nobody's and stays.
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        let error = count(&REPO).await.expect_err("taken");
        assert!(matches!(ours(&error), Error::SessionEnded { .. }));
        let error = nobodys().spawn(count(&REPO)).await?.expect_err("nobody's");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        Ok(())
    }));
    let change = nobodys().block_on(REPO.set_mode(Mode::Auto));
    assert_eq!(change.expect("changed"), ModeChange::Ok);
    let count = nobodys().block_on(count(&REPO)).expect("the plain pool");
    assert_eq!(count, 2, "no test has changed it");
}

#[test]
fn a_mode_of_one_repo_is_not_that_of_another() {
    static ONE: Repo<Sqlite> = Repo::named("modes_one").migrator(&MIGRATOR);
    static TWO: Repo<Sqlite> = Repo::named("modes_two").migrator(&MIGRATOR);
    drop(test("modes::two_repos").run(|sandbox: Sandbox| async move {
        insert(&ONE, ADA).await?;
        insert(&TWO, ADA).await?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(ONE.set_mode(mode).await?, ModeChange::Ok);
        assert_eq!(nobodys().spawn(count(&ONE)).await??, 1);
        let error = nobodys().spawn(count(&TWO)).await?.expect_err("manual");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        assert_eq!(ONE.set_mode(Mode::Manual).await?, ModeChange::Ok);
        assert_eq!(count(&TWO).await?, 1, "only sessions on the one were taken");
        Ok(())
    }));
}

#[test]
fn a_change_waits_for_all_who_hold_a_connection_together_not_one_after_the_other() {
    static REPO: Repo<Sqlite> = Repo::named("modes_together").migrator(&MIGRATOR);
    drop(test("modes::together").run(|_: Sandbox| async move {
        let modes = [Mode::Auto, Mode::Manual, Mode::Auto];
        for (last, mode) in modes.into_iter().enumerate() {
            let (mut owners, mut held, mut files) = (Vec::new(), Vec::new(), Vec::new());
            for name in ["modes::one", "modes::two", "modes::three"] {
                let owner = Owner::start(name).repo(&REPO).await?;
                files.push(file_of(&REPO).owned_by(&owner).await?);
                let holds = async { REPO.acquire().await };
                held.push(holds.owned_by(&owner).await?);
                owners.push(owner);
            }
            let change = tokio::spawn(async move { REPO.set_mode(mode).await });
            let still_held = held.remove(last);
            let its_file = files.remove(last);
            drop(held);
            // The two others are done while it is still waited for, whichever it is.
            eventually(|| match files.iter().find(|file| file.exists()) {
                Some(file) => Err(format!("{} is there", file.display())),
                None => Ok(()),
            })
            .await;
            drop(still_held);
            let change = change.await?;
            assert!(
                matches!(change, Ok(ModeChange::Ok)),
                "number {last}: {change:?}"
            );
            assert!(!its_file.exists());
            for owner in owners {
                owner.stop().await?;
            }
        }
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        Ok(())
    }));
}
