//! Taking a session on terms of one's own, and giving it back before the owner ends.

use heirloom::{
    Checkin, Checkout, Error, FutureExt as _, IsolationLevel, Owner, Repo, Sandbox, owned,
    owned_task, unboxed,
};
use heirloom_tests::{
    MIGRATOR, child, count, empty_dir, file_of, insert, nobodys, ours, says, test,
};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Sqlite, SqlitePool};
use std::task::{Context, Poll, Waker};
use tracing::{Instrument as _, error_span};

static REPO: Repo<Sqlite> = Repo::new();

const ADA: &str = "ada@example.org";

#[test]
fn a_checkout_is_new_once_then_already_the_owners_and_heirs_are_already_allowed() {
    drop(test("checkout::answers").run(|_: Sandbox| async move {
        assert_eq!(REPO.checkout().await?, Checkout::New);
        insert(&REPO, ADA).await?;
        assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
        let heir = async {
            let asked = (REPO.checkout().await?, REPO.checkin().await?);
            Ok::<_, sqlx::Error>((asked, count(&REPO).await?))
        };
        let heirs = (Checkout::AlreadyAllowed, Checkin::NotOwner);
        assert_eq!(tokio::spawn(heir).await??, (heirs, 1));
        assert_eq!(REPO.checkin().await?, Checkin::Ok);
        assert_eq!(REPO.checkin().await?, Checkin::NotFound);
        Ok(())
    }));
}

#[test]
fn a_first_use_is_a_checkout_too() {
    drop(test("checkout::lazy").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
        assert_eq!(count(&REPO).await?, 1);
        Ok(())
    }));
}

#[test]
fn what_was_done_is_gone_when_checkin_returns_and_the_same_key_can_be_inserted_anew() {
    drop(test("checkout::rolls_back").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let file = file_of(&REPO).await?;
        assert!(file.exists());
        assert_eq!(REPO.checkin().await?, Checkin::Ok);
        assert!(!file.exists());
        assert_eq!(REPO.checkout().await?, Checkout::New);
        assert_eq!(count(&REPO).await?, 0);
        insert(&REPO, ADA).await?;
        Ok(())
    }));
}

#[test]
fn after_a_checkin_owner_heirs_and_allowed_are_told_until_there_is_a_checkout() {
    drop(
        test("checkout::gave_back").run(|sandbox: Sandbox| async move {
            let opened = line!() + 1;
            assert_eq!(REPO.checkout().await?, Checkout::New);
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let allowed = nobodys().spawn(async move {
                count(&REPO).await.expect_err("not allowed yet");
                gone.await.ok();
                let told = count(&REPO).await;
                (told, REPO.checkin().await)
            });
            sandbox.owner().allow(&allowed)?;
            let given_back = line!() + 1;
            assert_eq!(REPO.checkin().await?, Checkin::Ok);
            go.send(()).expect("it waits");

            let (allowed, not_its_own) = allowed.await?;
            assert_eq!(not_its_own?, Checkin::NotOwner);
            let own = count(&REPO).await;
            let heir = tokio::spawn(count(&REPO)).await?;
            for told in [own, heir, allowed] {
                let error = told.expect_err("given back");
                assert!(matches!(ours(&error), Error::SessionEnded { .. }));
                says(
                    ours(&error),
                    &[
                        "the session on repo `default` is gone",
                        "owner: `checkout::gave_back`",
                        "by a checkin, from",
                        &format!("{}:{given_back}:", file!()),
                        &format!("{}:{opened}:", file!()),
                        "help: give a session back after its last use",
                    ],
                );
            }
            let asked_at = line!() + 1;
            let error = REPO.acquire().await.expect_err("given back");
            says(
                ours(&error),
                &["asked by", &format!("{}:{asked_at}:", file!())],
            );
            assert_eq!(REPO.checkout().await?, Checkout::New);
            assert_eq!(tokio::spawn(count(&REPO)).await??, 0);
            Ok(())
        }),
    );
}

#[test]
fn code_that_nobody_owns_neither_checks_out_nor_in() {
    drop(test("checkout::suite").run(|_: Sandbox| async { Ok(()) }));
    let (out, back) = nobodys()
        .block_on(nobodys().spawn(async { (REPO.checkout().await, REPO.checkin().await) }))
        .expect("no panic");
    let error = out.expect_err("nobody's");
    assert!(matches!(error, Error::Ownership { .. }));
    says(
        &error,
        &["nobody owns this use of repo `default`", file!(), "help:"],
    );
    assert_eq!(back.expect("an answer"), Checkin::NotFound);
}

#[test]
fn without_the_sandbox_commits_stay_and_sandboxes_neither_see_nor_harm_them() {
    static STAYS: Repo<Sqlite> = Repo::named("checkout_stays").migrator(&MIGRATOR);
    let email = "stays@example.org";
    let of_it = || async move {
        let all = sqlx::query_scalar("SELECT count(*) FROM guests WHERE email = ?");
        all.bind(email).fetch_one(&STAYS).await
    };
    let delete = || async move {
        let delete = sqlx::query("DELETE FROM guests WHERE email = ?").bind(email);
        Ok::<_, sqlx::Error>(delete.execute(&STAYS).await?.rows_affected())
    };
    drop(test("checkout::commits").run(|_: Sandbox| async move {
        assert_eq!(STAYS.checkout().sandbox(false).await?, Checkout::New);
        insert(&STAYS, email).await?;
        assert_eq!(STAYS.checkin().await?, Checkin::Ok);
        Ok(())
    }));
    drop(test("checkout::in_a_sandbox").run(|_: Sandbox| async move {
        let seen: i64 = of_it().await?;
        assert_eq!((seen, delete().await?), (0, 0));
        insert(&STAYS, email).await?;
        assert_eq!(delete().await?, 1);
        Ok(())
    }));
    drop(test("checkout::next").run(|_: Sandbox| async move {
        let _ = STAYS.checkout().sandbox(false).await?;
        let seen: i64 = of_it().await?;
        assert_eq!(seen, 1, "it was committed");
        assert_eq!(delete().await?, 1);
        Ok(())
    }));
}

#[test]
fn repos_of_other_names_are_other_databases_without_the_sandbox_too() {
    static ONE: Repo<Sqlite> = Repo::named("checkout_one").migrator(&MIGRATOR);
    static TWO: Repo<Sqlite> = Repo::named("checkout_two").migrator(&MIGRATOR);
    drop(test("checkout::two_repos").run(|_: Sandbox| async move {
        let _ = ONE.checkout().sandbox(false).await?;
        let _ = TWO.checkout().sandbox(false).await?;
        assert_ne!(file_of(&ONE).await?, file_of(&TWO).await?);
        Ok(())
    }));
}

#[test]
fn without_the_sandbox_it_is_the_repos_own_pool_which_outlives_the_session() {
    static GIVEN: Repo<Sqlite> = Repo::named("checkout_given");
    let dir = empty_dir(env!("CARGO_TARGET_TMPDIR"), "ownership_checkout_given");
    let own = nobodys().block_on(async {
        let options = SqliteConnectOptions::new().filename(dir.join("own.sqlite"));
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
        MIGRATOR.run(&pool).await?;
        Ok::<_, sqlx::Error>(pool)
    });
    let own = own.expect("a pool");
    GIVEN.init(own.clone()).expect("once");
    drop(test("checkout::given").run(|_: Sandbox| async move {
        let _ = GIVEN.checkout().sandbox(false).await?;
        insert(&GIVEN, ADA).await?;
        assert_eq!(GIVEN.checkin().await?, Checkin::Ok);
        Ok(())
    }));
    assert!(!own.is_closed());
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
    let count = nobodys().block_on(count.fetch_one(&own));
    assert_eq!(count.expect("the pool lives"), 1);
}

#[test]
fn every_isolation_level_opens_a_session_that_works() {
    use IsolationLevel::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};
    drop(test("checkout::levels").run(|_: Sandbox| async move {
        for level in [ReadUncommitted, ReadCommitted, RepeatableRead, Serializable] {
            let checkout = REPO.checkout().isolation_level(level).await?;
            assert_eq!(checkout, Checkout::New);
            let mut transaction = REPO.begin().await?;
            let uncommitted = sqlx::query("INSERT INTO guests (email) VALUES ('x')");
            uncommitted.execute(&mut *transaction).await?;
            assert_eq!(count(&REPO).await?, 0, "{level:?}");
            transaction.commit().await?;
            assert_eq!(count(&REPO).await?, 1, "{level:?}");
            assert_eq!(REPO.checkin().await?, Checkin::Ok);
        }
        Ok(())
    }));
}

#[test]
fn a_failed_statement_taints_neither_the_session_nor_a_later_one() {
    drop(test("checkout::untainted").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        sqlx::query("INVALID")
            .execute(&REPO)
            .await
            .expect_err("no SQL");
        insert(&REPO, ADA).await.expect_err("not unique");
        insert(&REPO, "bob@example.org").await?;
        assert_eq!(count(&REPO).await?, 2);
        assert_eq!(REPO.checkin().await?, Checkin::Ok);
        Ok(())
    }));
}

#[test]
fn a_checkout_that_fails_leaves_nothing_and_can_be_tried_again() {
    let migrations = empty_dir(env!("CARGO_TARGET_TMPDIR"), "ownership_checkout_fails");
    let file = migrations.join("1_start.sql");
    std::fs::write(&file, "CREATE TABLE guests (email TEXT); OOPS;").expect("written");
    let path = migrations.to_str().expect("text").to_owned().leak();
    let failing = test("checkout::fails").migrations_dir(path);
    drop(failing.run(|sandbox: Sandbox| async move {
        for _ in 0..2 {
            let error = REPO.checkout().await.expect_err("a broken migration");
            says(
                &error,
                &["migration 1 (start) failed", "1_start.sql", "OOPS"],
            );
        }
        let seen = sandbox.inspect();
        let own = seen.owners.iter().find(|one| one.name == sandbox.name());
        assert!(own.is_some_and(|own| own.sessions.is_empty()), "{seen}");
        count(&REPO).await.expect_err("still broken");
        std::fs::write(&file, "CREATE TABLE guests (email TEXT)")?;
        assert_eq!(REPO.checkout().await?, Checkout::New);
        assert_eq!(count(&REPO).await?, 0);
        Ok(())
    }));
}

#[test]
fn a_repo_whose_migrations_fail_does_not_harm_the_others() {
    static BROKEN: Migrator = sqlx::migrate!("schemas/broken");
    static WORSE: Repo<Sqlite> = Repo::named("checkout_broken").migrator(&BROKEN);
    drop(test("checkout::one_broken").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        WORSE.checkout().await.expect_err("a broken migration");
        assert_eq!(count(&REPO).await?, 1);
        Ok(())
    }));
}

#[test]
fn a_checkout_that_is_dropped_halfway_is_made_by_the_next_use() {
    drop(test("checkout::dropped").run(|_: Sandbox| async move {
        drop(REPO.checkout());
        let mut asked = REPO.checkout().into_future();
        let first = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(answer) = first {
            assert_eq!(answer?, Checkout::New);
        }
        drop(asked);
        insert(&REPO, ADA).await?;
        assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
        assert_eq!(count(&REPO).await?, 1);
        Ok(())
    }));
}

#[test]
fn an_owners_checkin_gives_back_no_other_owners_session() {
    drop(test("checkout::one_of_two").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let other = Owner::start("checkout::other").repo(&REPO).await?;
        insert(&REPO, ADA).owned_by(&other).await?;
        let back = async { REPO.checkin().await }.owned_by(&other).await?;
        assert_eq!(back, Checkin::Ok);
        assert_eq!(count(&REPO).await?, 1);
        count(&REPO).owned_by(&other).await.expect_err("given back");
        other.stop().await?;
        Ok(())
    }));
}

/// Gives the session back and asks for a new one.
async fn renewed() -> Result<(Checkin, Checkout), Error> {
    Ok((REPO.checkin().await?, REPO.checkout().await?))
}

#[owned_task]
async fn renewed_by_helper() -> Result<(Checkin, Checkout), Error> {
    renewed().await
}

#[test]
fn the_body_is_the_owner_itself_also_in_spans_and_in_owned_work_that_it_awaits() {
    drop(test("checkout::inline").run(|_: Sandbox| async move {
        let own = (Checkin::Ok, Checkout::New);
        insert(&REPO, ADA).await?;
        assert_eq!(renewed().await?, own);
        let (back, anew) = {
            let _entered = error_span!("step").entered();
            (REPO.checkin(), REPO.checkout())
        };
        assert_eq!((back.await?, anew.await?), own);
        assert_eq!(renewed().instrument(error_span!("step")).await?, own);
        assert_eq!(renewed_by_helper().await?, own);
        assert_eq!(owned(renewed()).await?, own);
        let all = owned(renewed_by_helper().instrument(error_span!("step")));
        assert_eq!(all.instrument(error_span!("outer")).await?, own);
        Ok(())
    }));
}

#[test]
fn a_spawned_task_is_an_heir_also_in_spans_and_in_owned_work() {
    drop(test("checkout::spawned").run(|_: Sandbox| async move {
        let heirs = (Checkin::NotOwner, Checkout::AlreadyAllowed);
        insert(&REPO, ADA).await?;
        for task in [
            tokio::spawn(renewed()),
            tokio::spawn(owned(renewed())),
            tokio::spawn(renewed_by_helper()),
            tokio::spawn(renewed().instrument(error_span!("step"))),
            tokio::spawn(async { owned(renewed_by_helper()).await }),
        ] {
            assert_eq!(task.await??, heirs);
        }
        assert_eq!(count(&REPO).await?, 1, "it is the test's as before");
        Ok(())
    }));
}

#[test]
fn a_checkout_outside_the_sandbox_that_is_cancelled_half_way_leaves_no_trace() {
    let process = std::process::id();
    for polls in 0..3 {
        // A schema that nobody has used yet takes a while to be there.
        let name = format!("ownership_checkout_cancelled_{polls}");
        let migrations = empty_dir(env!("CARGO_TARGET_TMPDIR"), &name);
        let schema = format!("CREATE TABLE guests (email TEXT); -- {polls} of {process}");
        std::fs::write(migrations.join("1_start.sql"), schema).expect("written");
        let path = migrations.to_str().expect("text").to_owned().leak();
        let cancels = test("checkout::cancelled").migrations_dir(path);
        drop(cancels.run(|sandbox: Sandbox| async move {
            let mut asked = REPO.checkout().sandbox(false).into_future();
            for _ in 0..polls {
                let polled = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "or it is not cancelled half way");
            }
            drop(asked);
            let seen = sandbox.inspect();
            let own = seen.owners.iter().find(|one| one.name == sandbox.name());
            assert!(own.is_some_and(|own| own.sessions.is_empty()), "{seen}");
            insert(&REPO, ADA).await?;
            assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
            assert_eq!(unboxed(|| count(&REPO)).await??, 0, "{polls} polls");
            Ok(())
        }));
    }
}

#[test]
fn a_failed_test_says_that_it_had_checked_in_what_it_still_held() {
    let dir = empty_dir(env!("CARGO_TARGET_TMPDIR"), "ownership_checkout_held");
    let program = env!("CARGO_BIN_EXE_heirloom-child");
    let output = child(program, &["checks-in-what-it-holds"], &dir).output();
    let output = output.expect("it runs");
    assert!(!output.status.success(), "the test fails");
    let stderr = String::from_utf8_lossy(&output.stderr);
    println!("{stderr}");
    for part in [
        "the failed test `child::holds` had lost a session",
        "owner: `child::holds`",
        "by a checkin, from",
        "heirloom-child.rs:",
    ] {
        assert!(stderr.contains(part), "`{part}` is missing in: {stderr}");
    }
}
