//! What a person sees who asks who owns what. A binary of its own, whose tests run one by one: they look at the whole
//! process.

use heirloom::{FutureExt as _, Mode, ModeChange, OrphanPolicy, Owner, Repo, Sandbox};
use heirloom_tests::{MIGRATOR, count, eventually, insert, nobodys, ours, runtime, test};
use sqlx::Sqlite;
use std::sync::{Mutex, MutexGuard, PoisonError};

static ONE_BY_ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

static REPO: Repo<Sqlite> = Repo::new();

/// Times, task numbers and places differ from run to run and from edit to edit.
fn without_what_differs(text: &str) -> String {
    let lines = text.lines().map(|line| {
        // How it is said that no actor has started yet is not what this is about.
        let line = line.split("`pricing`,").next().unwrap_or(line).trim_end();
        let mut before = "";
        let words = line.split(' ').map(|word| {
            let plain = plain(before, word);
            before = word;
            plain
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain(before: &str, word: &str) -> String {
    let core = word.trim_end_matches([',', ':']);
    let end = &word[core.len()..];
    let number = core.trim_end_matches(|c: char| c.is_alphabetic() || c == 'µ');
    let is_time = number.len() < core.len() && number.contains('.') && is_number(number);
    let plain = match before {
        _ if is_time => "TIME",
        _ if core.starts_with(file!()) => "HERE",
        "task" => "N",
        _ => core,
    };
    format!("{plain}{end}")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[test]
fn the_tree_shows_repos_owners_sessions_users_allowances_and_who_waits() {
    static SHARED: Repo<Sqlite> = Repo::named("inspect_shared").migrator(&MIGRATOR);
    static PAUSED: Repo<Sqlite> = Repo::named("inspect_paused").orphans(OrphanPolicy::Pause);
    let _alone = alone();
    let runner = std::thread::Builder::new().name("runner".to_owned());
    let run = runner.spawn(|| {
        drop(test("inspect::first").run(|sandbox: Sandbox| async move {
            let held = REPO.acquire().await?;
            SHARED.checkout().await.map(drop)?;
            let mode = Mode::Shared(sandbox.owner().clone());
            assert_eq!(SHARED.set_mode(mode).await?, ModeChange::Ok);
            sandbox.owner().allow("pricing")?;
            let waits = nobodys().spawn(std::future::pending::<()>());
            sandbox.owner().allow(&waits)?;
            let orphan = nobodys().spawn(async { PAUSED.acquire().await.map(drop) });
            let outside = Owner::start("inspect::second")
                .sandbox(false)
                .repo(&REPO)
                .await?;
            eventually(|| match heirloom::inspect().paused.len() {
                1 => Ok(()),
                _ => Err("nobody waits".to_owned()),
            })
            .await;
            let text = sandbox.inspect().to_string();
            println!("{text}");
            let seen = without_what_differs(&text);
            assert_eq!(seen, GOLDEN, "\n{seen}\n");
            orphan.abort();
            drop(held);
            outside.stop().await?;
            Ok(())
        }));
    });
    run.expect("a thread").join().expect("it passes");
    assert_eq!(heirloom::inspect().owners.len(), 0);
}

const GOLDEN: &str = "\
2 owners in this process
├─ repo `inspect_shared` (SQLite): Shared by `inspect::first`
├─ repo `default` (SQLite): Manual
├─ `inspect::first`, running for TIME, started at HERE
│  ├─ session on `default` (SQLite), 1 connection, 0 idle, for TIME
│  │  └─ last used by thread `runner`, at HERE
│  ├─ session on `inspect_shared` (SQLite), 0 connections, 0 idle, for TIME
│  ├─ allows task N
│  └─ allows actor
├─ `inspect::second`, running for TIME, started at HERE
│  └─ session on `default` (SQLite), outside the sandbox, 0 connections, 0 idle, for TIME
└─ waits for an owner on repo `inspect_paused` since TIME: thread `nobodys`, tokio task N, at HERE";

#[test]
fn with_many_owners_an_error_lists_the_youngest_eight_and_inspect_all() {
    let _alone = alone();
    let fresh = runtime("inspect_many");
    drop(test("inspect::many").run(|sandbox: Sandbox| async move {
        let mut owners = Vec::new();
        for number in 0..19 {
            owners.push(Owner::start(format!("inspect::owner_{number}")).await?);
        }
        let all = sandbox.inspect();
        assert_eq!((all.owners.len(), all.more), (20, 0));
        let error = fresh.spawn(count(&REPO)).await?.expect_err("nobody's");
        let text = format!("{:?}", ours(&error));
        println!("{text}");
        let (_, tree) = text
            .split_once("20 owners in this process")
            .expect("a tree");
        assert_eq!(tree.matches("running for").count(), 8, "{tree}");
        assert!(tree.contains("12 older owners"), "{tree}");
        assert!(tree.contains("`inspect::owner_18`"), "{tree}");
        assert!(!tree.contains("`inspect::owner_10`"), "{tree}");
        for owner in owners {
            owner.stop().await?;
        }
        Ok(())
    }));
}

#[test]
fn the_tree_stands_below_an_ownership_error_with_whoever_could_have_been_meant() {
    let _alone = alone();
    let fresh = runtime("inspect_below");
    drop(test("inspect::below").run(|_: Sandbox| async move {
        insert(&REPO, "ada@example.org").await?;
        let error = fresh.spawn(count(&REPO)).await?.expect_err("nobody's");
        let text = ours(&error).to_string();
        println!("{text}");
        let (trail, tree) = text
            .split_once("\n\n  1 owner in this process\n")
            .expect("both");
        assert!(trail.contains("help:"), "{trail}");
        assert!(tree.contains("`inspect::below`, running for"), "{tree}");
        assert!(tree.contains("session on `default` (SQLite)"), "{tree}");
        Ok(())
    }));
}

#[test]
fn an_owner_that_ends_is_seen_to_end_and_then_is_gone() {
    let _alone = alone();
    drop(test("inspect::ends").run(|_: Sandbox| async move {
        let owner = Owner::start("inspect::ending").repo(&REPO).await?;
        let held = async { REPO.acquire().await }.owned_by(&owner).await?;
        let stop = tokio::spawn(owner.stop());
        eventually(|| {
            let seen = heirloom::inspect();
            let it = seen.owners.iter().find(|one| one.name == "inspect::ending");
            (it.is_some_and(|one| one.ending))
                .then_some(())
                .ok_or_else(|| seen.to_string())
        })
        .await;
        let text = heirloom::inspect().to_string();
        assert!(text.contains("`inspect::ending`, ending, after"), "{text}");
        drop(held);
        stop.await??;
        let text = heirloom::inspect().to_string();
        assert!(!text.contains("inspect::ending"), "{text}");
        Ok(())
    }));
}
