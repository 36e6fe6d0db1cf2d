//! Sessions that are held for too long. Limits are short, and every test waits for what happens, not for the time.

use heirloom::{Checkout, Error, FutureExt as _, Mode, ModeChange, Owner, Repo, Sandbox};
use heirloom_tests::{
    MIGRATOR, child, count, empty_dir, eventually, file_of, insert, nobodys, ours, says, test,
    users_of,
};
use sqlx::Sqlite;
use std::time::Duration;

static REPO: Repo<Sqlite> = Repo::new();

const ADA: &str = "ada@example.org";
const SOON: Duration = Duration::from_secs(2);

/// Uses the repo until its session has been taken away.
async fn taken(repo: &Repo<Sqlite>) -> Error {
    loop {
        match count(repo).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(sqlx::Error::Configuration(error)) => match error.downcast() {
                Ok(ours) => return *ours,
                Err(other) => panic!("another error: {other}"),
            },
            Err(other) => panic!("another error: {other}"),
        }
    }
}

#[test]
fn a_holder_in_a_transaction_loses_it_and_its_owner_may_check_out_anew() {
    drop(test("timeouts::holds").run(|_: Sandbox| async move {
        let opened = line!() + 1;
        let checkout = REPO.checkout().ownership_timeout(SOON).await?;
        assert_eq!(checkout, Checkout::New);
        let file = file_of(&REPO).await?;
        let mut transaction = REPO.begin().await?;
        let insert = sqlx::query("INSERT INTO guests (email) VALUES ('held@example.org')");
        insert.execute(&mut *transaction).await?;
        let error = taken(&REPO).await;
        assert!(matches!(error, Error::SessionEnded { .. }));
        says(
            &error,
            &[
                "the session on repo `default` is gone",
                "owner: `timeouts::holds`",
                "because it was held for longer than its `ownership_timeout` of 2s",
                &format!("at {}:{opened}:", file!()),
                "help: find what hangs, or raise `ownership_timeout`",
            ],
        );
        transaction
            .commit()
            .await
            .expect_err("it is not its own any more");
        assert_eq!(REPO.checkout().await?, Checkout::New);
        assert!(!file.exists());
        assert_eq!(count(&REPO).await?, 0);
        insert_anew().await?;
        Ok(())
    }));
}

async fn insert_anew() -> sqlx::Result<()> {
    insert(&REPO, "held@example.org").await
}

#[test]
fn a_long_statement_is_cut_short_and_told_why() {
    drop(test("timeouts::endless").ownership_timeout(SOON).run(|_: Sandbox| async move {
        let endless = sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        );
        let error = endless.execute(&REPO).await.expect_err("it would never end");
        says(
            ours(&error),
            &[
                "`timeouts::endless`",
                "held for longer than its `ownership_timeout` of 2s",
                "used just then: by thread",
                "caused by: error returned from database",
                "interrupted",
            ],
        );
        Ok(())
    }));
}

#[test]
fn whoever_waits_for_a_connection_is_told() {
    drop(
        test("timeouts::waits")
            .ownership_timeout(SOON)
            .run(|_: Sandbox| async move {
                let mut held = Vec::new();
                for _ in 0..10 {
                    held.push(REPO.acquire().await?);
                }
                let asked_at = line!() + 1;
                let waiter = REPO.acquire().await.expect_err("taken meanwhile");
                says(
                    ours(&waiter),
                    &[
                        "held for longer than its `ownership_timeout` of 2s",
                        "used just then: by thread",
                        &format!("{}:{asked_at}:", file!()),
                    ],
                );
                Ok(())
            }),
    );
}

#[test]
fn an_allowed_tasks_transaction_is_taken_too() {
    drop(
        test("timeouts::allowed")
            .ownership_timeout(SOON)
            .run(|sandbox: Sandbox| async move {
                let (go, allowed) = tokio::sync::oneshot::channel::<()>();
                let task = nobodys().spawn(async move {
                    allowed.await.ok();
                    let mut transaction = REPO.begin().await?;
                    let insert = sqlx::query("INSERT INTO guests (email) VALUES ('x')");
                    insert.execute(&mut *transaction).await?;
                    let error = taken(&REPO).await;
                    Ok::<_, sqlx::Error>((error, transaction.commit().await.is_err()))
                });
                sandbox.owner().allow(&task)?;
                go.send(()).expect("it waits");
                let (error, not_committed) = task.await??;
                assert!(not_committed);
                says(
                    &error,
                    &["`timeouts::allowed`", "`ownership_timeout` of 2s"],
                );
                Ok(())
            }),
    );
}

#[test]
fn the_checkout_says_for_how_long_else_the_test_else_the_repo() {
    static LIMITED: Repo<Sqlite> = Repo::named("timeouts_limited")
        .migrator(&MIGRATOR)
        .ownership_timeout(Duration::from_millis(30));
    drop(test("timeouts::by_repo").run(|_: Sandbox| async move {
        says(&taken(&LIMITED).await, &["`ownership_timeout` of 30ms"]);
        Ok(())
    }));
    let limit = Duration::from_millis(40);
    drop(
        test("timeouts::by_test")
            .ownership_timeout(limit)
            .run(|_: Sandbox| async move {
                says(&taken(&LIMITED).await, &["`ownership_timeout` of 40ms"]);
                let limit = Duration::from_millis(50);
                let checkout = LIMITED.checkout().ownership_timeout(limit).await?;
                assert_eq!(checkout, Checkout::New);
                says(&taken(&LIMITED).await, &["`ownership_timeout` of 50ms"]);
                let limit = Duration::from_millis(60);
                let owner = Owner::start("timeouts::by_owner").ownership_timeout(limit);
                let owner = owner.repo(&LIMITED).await?;
                let error = taken(&LIMITED).owned_by(&owner).await;
                says(
                    &error,
                    &["`timeouts::by_owner`", "`ownership_timeout` of 60ms"],
                );
                owner.stop().await?;
                // Never: the deadlines before it have all passed.
                let checkout = LIMITED.checkout().ownership_timeout(Duration::MAX).await?;
                assert_eq!(checkout, Checkout::New);
                insert(&LIMITED, ADA).await?;
                Ok(())
            }),
    );
}

#[test]
fn one_repos_limit_takes_no_session_on_another() {
    static SHORT: Repo<Sqlite> = Repo::named("timeouts_short")
        .migrator(&MIGRATOR)
        .ownership_timeout(Duration::from_millis(30));
    drop(test("timeouts::other_repo").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        taken(&SHORT).await;
        assert_eq!(count(&REPO).await?, 1);
        Ok(())
    }));
}

#[test]
fn a_session_that_nobody_touches_any_more_harms_nobody() {
    let mut left = None;
    let out = &mut left;
    let short = Duration::from_millis(30);
    drop(
        test("timeouts::forgotten")
            .ownership_timeout(short)
            .run(|sandbox: Sandbox| async move {
                *out = file_of(&REPO).await.ok();
                let name = sandbox.name().to_owned();
                eventually(|| {
                    let seen = heirloom::inspect().to_string();
                    let own = seen.split(&format!("`{name}`")).nth(1).unwrap_or_default();
                    (own.contains("taken away")).then_some(()).ok_or(seen)
                })
                .await;
                Ok(())
            }),
    );
    if let Some(file) = left {
        assert!(!file.exists());
    }
    assert_eq!(users_of("timeouts::forgotten"), [] as [String; 0]);
}

#[test]
fn a_shared_repo_is_manual_when_its_owners_time_is_up() {
    static SHARED: Repo<Sqlite> = Repo::named("timeouts_shared").migrator(&MIGRATOR);
    drop(test("timeouts::shares").run(|sandbox: Sandbox| async move {
        let checkout = SHARED.checkout().ownership_timeout(SOON).await?;
        assert_eq!(checkout, Checkout::New);
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(SHARED.set_mode(mode).await?, ModeChange::Ok);
        taken(&SHARED).await;
        assert_eq!(SHARED.mode(), Mode::Manual);
        let error = nobodys()
            .spawn(count(&SHARED))
            .await?
            .expect_err("nobody's");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        Ok(())
    }));
}

#[test]
fn a_late_deadline_does_not_hit_the_next_session() {
    drop(test("timeouts::late").run(|_: Sandbox| async move {
        let short = Duration::from_millis(30);
        for _ in 0..5 {
            let _ = REPO.checkout().ownership_timeout(short).await?;
            let _ = REPO.checkin().await?;
        }
        let _ = REPO.checkout().await?;
        insert(&REPO, ADA).await?;
        // Another owner whose time is up later than all of theirs shows that they have passed.
        let owner = Owner::start("timeouts::later").ownership_timeout(short * 2);
        let owner = owner.repo(&REPO).await?;
        taken(&REPO).owned_by(&owner).await;
        owner.stop().await?;
        assert_eq!(count(&REPO).await?, 1);
        Ok(())
    }));
}

#[test]
fn a_subscriber_that_panics_when_it_is_told_stops_no_later_timeout() {
    let dir = empty_dir(env!("CARGO_TARGET_TMPDIR"), "timeouts_panics");
    let program = env!("CARGO_BIN_EXE_heirloom-child");
    let output = child(program, &["panicking-subscriber"], &dir).output();
    let output = output.expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("a subscriber that panics"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "taken away\ntaken away\n", "{stderr}");
}
