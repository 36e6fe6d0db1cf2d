//! What it costs that a test keeps count of its tasks: a spawn, a poll, a test of a thousand tasks, and settling.
//!
//! Run with: `cargo bench -p heirloom-benches --bench tasks`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use heirloom::{FutureExt as _, Owner, Sandbox, StartedOwner, Test, owned};
use sqlx::SqlitePool;
use std::future::{Future, IntoFuture as _, pending};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tracing::Instrument as _;

/// How a future is handed to a spawn.
#[derive(Clone, Copy)]
enum Way {
    Bare,
    InCurrentSpan,
    Owned,
}

const WAYS: [(&str, Way); 3] = [
    ("bare", Way::Bare),
    ("in_current_span", Way::InCurrentSpan),
    ("owned", Way::Owned),
];

impl Way {
    fn spawn<F>(self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        match self {
            Self::Bare => tokio::spawn(future),
            Self::InCurrentSpan => tokio::spawn(future.in_current_span()),
            Self::Owned => tokio::spawn(owned(future)),
        }
    }
}

/// Times something inside a test, so that all ways have the same subscriber, runtime and owner.
fn in_a_test<Fut>(work: impl FnOnce() -> Fut) -> Duration
where
    Fut: Future<Output = Duration>,
{
    let mut took = Duration::ZERO;
    let test = Test::here("bench").no_migrations();
    drop(test.run(|_: Sandbox| async {
        took = work().await;
        Ok(())
    }));
    took
}

fn spawn_and_join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn_and_join");
    for (name, way) in WAYS {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                in_a_test(|| async move {
                    let started = Instant::now();
                    for number in 0..times {
                        let task = way.spawn(async move { number });
                        black_box(task.await.expect("no panic"));
                    }
                    started.elapsed()
                })
            });
        });
    }
    group.finish();
}

/// A poll of a task by its runtime, which it has asked for itself.
fn woken_poll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("woken_poll");
    for (name, way) in WAYS {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                in_a_test(|| async move {
                    let task = way.spawn(async move {
                        let started = Instant::now();
                        for _ in 0..times {
                            yield_now().await;
                        }
                        started.elapsed()
                    });
                    task.await.expect("no panic")
                })
            });
        });
    }
    group.finish();
}

fn started() -> (Runtime, StartedOwner) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let owner = runtime.block_on(Owner::start("bench").into_future());
    (runtime, owner.expect("it needs a name only"))
}

/// A poll by hand, of a future that is pending and that nobody wakes.
fn poll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("poll");
    let mut measure = |name: &str, mut future: Pin<&mut dyn Future<Output = ()>>| {
        let mut context = Context::from_waker(Waker::noop());
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(future.as_mut().poll(&mut context)));
        });
    };
    let (_runtime, owner) = started();
    measure("bare", pin!(pending()));
    measure("owned", pin!(pending().owned_by(&owner)));
    drop(Test::here("bench").run(|_: Sandbox| async {
        let span = tracing::Span::current();
        measure("in_current_span", pin!(pending().instrument(span)));
        Ok(())
    }));
    group.finish();
}

/// One of a thousand tasks: a few awaits, and a query if there is a pool.
async fn one_of_a_thousand(pool: Option<SqlitePool>) {
    for _ in 0..3 {
        yield_now().await;
    }
    if let Some(pool) = pool {
        let one = sqlx::query_scalar("SELECT 1").fetch_one(&pool);
        let _one: i32 = one.await.expect("an answer");
    }
}

/// A whole test, from its start to its end.
fn thousand_tasks(way: Way, queries: bool) {
    let test = Test::here("bench").no_migrations();
    drop(test.run(|sandbox: Sandbox| async move {
        let pool = if queries {
            Some(sandbox.get::<SqlitePool>().await.expect("a pool"))
        } else {
            None
        };
        let tasks = (0..1_000).map(|_| way.spawn(one_of_a_thousand(pool.clone())));
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no panic");
        }
        Ok(())
    }));
}

fn test_of_a_thousand_tasks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("test_of_a_thousand_tasks");
    group.sample_size(30);
    for (name, way) in WAYS {
        for (what, queries) in [("awaits", false), ("awaits_and_a_query", true)] {
            group.bench_function(BenchmarkId::new(name, what), |bencher| {
                bencher.iter(|| thousand_tasks(way, queries));
            });
        }
    }
    group.finish();
}

fn settle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("settle");
    for parked in [0, 1, 100, 10_000] {
        group.bench_function(BenchmarkId::new("parked_tasks", parked), |bencher| {
            bencher.iter_custom(|times| settles(parked, times));
        });
    }
    group.finish();
}

/// So many times, beside so many tasks that wait.
fn settles(parked: usize, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    let all = &mut took;
    drop(Test::here("bench").run(|sandbox: Sandbox| async move {
        for _ in 0..parked {
            tokio::spawn(owned(pending::<()>()));
        }
        sandbox.settle().await?;
        let started = Instant::now();
        for _ in 0..times {
            sandbox.settle().await?;
        }
        *all = started.elapsed();
        Ok(())
    }));
    took
}

criterion_group!(
    benches,
    spawn_and_join,
    woken_poll,
    poll,
    test_of_a_thousand_tasks,
    settle
);
criterion_main!(benches);
