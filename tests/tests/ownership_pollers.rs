//! Services that poll for as long as the process lives, and are lent one session after the other. A binary of its own:
//! a shared test lends to every orphan there is, whoever's test started it.

use heirloom::{Error, OrphanPolicy, Owner, Repo, Sandbox};
use heirloom_tests::{Random, eventually, nobodys, test};
use sqlx::Sqlite;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::task::JoinHandle;

/// A service that polls, and does not mind errors.
struct Poller {
    ends: AtomicBool,
    served: AtomicUsize,
}

impl Poller {
    const fn new() -> Self {
        Self {
            ends: AtomicBool::new(false),
            served: AtomicUsize::new(0),
        }
    }

    /// Starts it when a suite runs: until then a repo is in auto mode, and what waits for an owner would be told so.
    fn starts(&'static self, repo: &'static Repo<Sqlite>) -> JoinHandle<Vec<String>> {
        drop(test("pollers::starts").run(|_: Sandbox| async { Ok(()) }));
        nobodys().spawn(self.polls(repo))
    }

    /// Polls until it is told to end; the errors of heirloom's that it saw.
    async fn polls(&self, repo: &'static Repo<Sqlite>) -> Vec<String> {
        let mut told = Vec::new();
        while !self.ends.load(SeqCst) {
            match sqlx::query_scalar::<_, i64>("SELECT 1")
                .fetch_one(repo)
                .await
            {
                Ok(_) => drop(self.served.fetch_add(1, SeqCst)),
                Err(error) if Error::from_sqlx(&error).is_some() => told.push(error.to_string()),
                Err(_) => {}
            }
            tokio::task::yield_now().await;
        }
        told
    }

    /// Waits until it has been served once more, and then a moment: the test ends at any point of what it does.
    async fn is_served(&self, turns: u64) {
        let before = self.served.load(SeqCst);
        eventually(|| {
            (self.served.load(SeqCst) > before)
                .then_some(())
                .ok_or_else(|| heirloom::inspect().to_string())
        })
        .await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// Ends it, with an owner that lets it finish its last turn.
    fn end(&self, polls: JoinHandle<Vec<String>>) -> Vec<String> {
        nobodys().block_on(async {
            let last = Owner::start("pollers::last").await.expect("an owner");
            last.allow(&polls).expect("it runs");
            self.ends.store(true, SeqCst);
            let told = polls.await.expect("no panic");
            last.stop().await.expect("it ends");
            told
        })
    }
}

#[test]
fn a_poller_that_many_tests_adopt_one_after_the_other_is_told_of_no_end_between_them() {
    static REPO: Repo<Sqlite> = Repo::named("pollers_loops").orphans(OrphanPolicy::Pause);
    static POLLER: Poller = Poller::new();
    let mut random = Random::seeded();
    let polls = POLLER.starts(&REPO);
    for _ in 0..100 {
        let (polls, turns) = (&polls, random.below(40));
        let adopts = test("pollers::adopts_loop").no_migrations();
        drop(adopts.run(|sandbox: Sandbox| async move {
            sandbox.owner().allow(polls)?;
            POLLER.is_served(turns).await;
            Ok(())
        }));
    }
    let told = POLLER.end(polls);
    println!("served {:?} times", POLLER.served);
    assert_eq!(told, [] as [String; 0]);
}

#[test]
fn a_poller_to_which_shared_tests_lend_their_sessions_is_told_of_no_end_between_them() {
    static REPO: Repo<Sqlite> = Repo::named("pollers_lent").orphans(OrphanPolicy::Pause);
    static POLLER: Poller = Poller::new();
    let mut random = Random::seeded();
    let polls = POLLER.starts(&REPO);
    for _ in 0..50 {
        let turns = random.below(40);
        let lends = test("pollers::lends_loop").no_migrations().shared();
        drop(lends.run(|_: Sandbox| async move {
            POLLER.is_served(turns).await;
            Ok(())
        }));
    }
    let told = POLLER.end(polls);
    println!("served {:?} times", POLLER.served);
    assert_eq!(told, [] as [String; 0]);
}
