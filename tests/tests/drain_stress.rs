//! Ten thousand tasks in one test settle and are drained; and random programs of everything that a test can set off, against
//! a model that a person can check by hand. `HEIRLOOM_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "in tests")]

#[path = "drain_stress/program.rs"]
mod program;

use heirloom::{Repo, Sandbox, Test, owned, sandboxed};
use heirloom_tests::{Random, runtime};
use program::World;
use sqlx::Sqlite;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::yield_now;

static REPO: Repo<Sqlite> = Repo::new();

/// Nothing here is about time, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

const TASKS: usize = 10_000;

#[derive(Default)]
struct Counts {
    done: AtomicUsize,
    queries: AtomicUsize,
}

/// Every one does something, every hundredth asks the database, and every other one then waits for ever.
async fn one_of_many(number: usize, counts: Arc<Counts>) {
    for _ in 0..number % 7 {
        yield_now().await;
    }
    if number.is_multiple_of(100) {
        let one = sqlx::query_scalar("SELECT 1").fetch_one(&REPO).await;
        assert_eq!(one.ok(), Some(1));
        counts.queries.fetch_add(1, Ordering::SeqCst);
    }
    counts.done.fetch_add(1, Ordering::SeqCst);
    if number.is_multiple_of(2) {
        pending::<()>().await;
    }
}

fn ten_thousand_tasks(test: Test) {
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let test = test.no_migrations().drain_timeout(PATIENCE);
    drop(test.run(|sandbox: Sandbox| async move {
        for round in 1..=2 {
            for number in 0..TASKS / 2 {
                tokio::spawn(owned(one_of_many(number, Arc::clone(&seen))));
            }
            if round == 1 {
                sandbox.settle_within(PATIENCE).await?;
                assert_eq!(seen.done.load(Ordering::SeqCst), TASKS / 2);
                // Those that wait.
                assert_eq!(Arc::strong_count(&seen), TASKS / 4 + 2);
            }
        }
        Ok(())
    }));
    assert_eq!(counts.done.load(Ordering::SeqCst), TASKS);
    assert_eq!(counts.queries.load(Ordering::SeqCst), TASKS / 100);
    assert_eq!(Arc::strong_count(&counts), 1, "all have been dropped");
}

#[test]
fn ten_thousand_tasks_settle_and_are_drained() {
    ten_thousand_tasks(Test::here("stress::one_thread"));
}

#[test]
fn ten_thousand_tasks_on_several_threads_settle_and_are_drained() {
    ten_thousand_tasks(
        Test::here("stress::threads")
            .multi_thread()
            .worker_threads(4),
    );
}

/// Programs run, are given what they wait for, and settle again; at last nothing of them is left.
async fn programs(sandbox: &Sandbox, seeds: &mut Random) {
    let strangers = runtime("strangers");
    for _ in 0..PROGRAMS {
        let seed = seeds.below(u64::MAX);
        let world = World::new(seed, strangers);
        let mut random = Random::from(seed);
        world.start(&mut random);
        for _ in 0..ROUNDS {
            sandbox.settle_within(PATIENCE).await.unwrap();
            world.is_at_rest();
            world.pokes(&mut random);
        }
        world.gives_up();
        sandbox.settle_within(PATIENCE).await.unwrap();
        sandbox.join_within(PATIENCE).await.unwrap();
        world.is_over();
        assert_eq!(sandbox.take_panics().len(), world.panics(), "seed {seed}");
    }
}

const PROGRAMS: usize = 60;
const ROUNDS: usize = 8;

#[sandboxed]
async fn nothing_of_a_random_program_runs_after_it_has_settled(sandbox: Sandbox) {
    programs(&sandbox, &mut Random::seeded()).await;
}

#[sandboxed(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_of_a_random_program_runs_on_several_threads(sandbox: Sandbox) {
    programs(&sandbox, &mut Random::seeded()).await;
}
