//! What ownership costs where it is not used for a database: the look-up, and a poll of an owned future.
//!
//! Run with: `cargo bench -p heirloom-benches --bench context`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use heirloom::{FutureExt as _, Owner, Repo, Sandbox, StartedOwner, Test};
use sqlx::Sqlite;
use std::future::{Future, IntoFuture as _, pending};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tracing::Instrument as _;

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look_up");
    group.bench_function("nobody", |bencher| {
        bencher.iter(|| black_box(heirloom::current()));
    });
    drop(Test::here("bench").run(|sandbox: Sandbox| async move {
        group.bench_function("owner_of_the_scope", |bencher| {
            bencher.iter(|| black_box(heirloom::current()));
        });
        let threads =
            std::thread::scope(|scope| scope.spawn(|| sandbox.owner().name().len()).join());
        black_box(threads.expect("no panic"));
        group.bench_function("tracing_span_current", |bencher| {
            bencher.iter(|| black_box(tracing::Span::current()));
        });
        group.finish();
        Ok(())
    }));
}

/// So many calls of the look-up, timed where they are made.
fn time_look_ups(calls: u64) -> Duration {
    let started = Instant::now();
    for _ in 0..calls {
        black_box(heirloom::current());
    }
    started.elapsed()
}

fn started(owners: usize) -> Vec<StartedOwner> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let start = |number| runtime.block_on(Owner::start(format!("owner {number}")).into_future());
    let owners = (0..owners).map(start);
    owners
        .map(|owner| owner.expect("it needs a name only"))
        .collect()
}

/// The look-up while many owners run: by an heir, by an heir while something is allowed to every owner, and by a task
/// that nobody owned and that one of them allowed.
fn look_up_among(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look_up_among");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    for count in [1, 100, 10_000] {
        let owners = started(count);
        let owner: &Owner = &owners[count / 2];
        let heir = |calls| runtime.block_on(async { time_look_ups(calls) }.owned_by(owner));
        group.bench_function(BenchmarkId::new("heir", count), |bencher| {
            bencher.iter_custom(heir);
        });
        for (number, owner) in owners.iter().enumerate() {
            owner.allow(format!("actor {number}")).expect("is running");
        }
        let heir = |calls| runtime.block_on(async { time_look_ups(calls) }.owned_by(owner));
        group.bench_function(BenchmarkId::new("heir_with_allowances", count), |bencher| {
            bencher.iter_custom(heir);
        });
        group.bench_function(BenchmarkId::new("allowed_task", count), |bencher| {
            bencher.iter_custom(|calls| {
                runtime.block_on(async {
                    let task = tokio::spawn(async move {
                        tokio::task::yield_now().await;
                        assert!(heirloom::current().is_some());
                        time_look_ups(calls)
                    });
                    owner.allow(&task).expect("is running");
                    task.await.expect("no panic")
                })
            });
        });
    }
    group.finish();
}

/// The look-up in a task that so many spawns lie between its owner and it.
fn look_up_below(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look_up_below");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let owners = started(1);
    for depth in [1, 10] {
        group.bench_function(BenchmarkId::new("spawns", depth), |bencher| {
            bencher.iter_custom(|calls| runtime.block_on(below(depth, calls).owned_by(&owners[0])));
        });
    }
    group.finish();
}

fn below(depth: usize, calls: u64) -> Pin<Box<dyn Future<Output = Duration> + Send>> {
    if depth == 0 {
        return Box::pin(async move { time_look_ups(calls) });
    }
    Box::pin(async move {
        let next = tokio::spawn(heirloom::owned(below(depth - 1, calls)));
        next.await.expect("no panic")
    })
}

/// What it costs to be told that nobody owns the code that asks, as a background service is again and again.
fn ownership_error(criterion: &mut Criterion) {
    static REPO: Repo<Sqlite> = Repo::new();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    drop(Test::here("bench").run(|_: Sandbox| async { Ok(()) }));
    criterion.bench_function("ownership_error/repeated", |bencher| {
        bencher.iter(|| runtime.block_on(REPO.pool()).expect_err("nobody owns it"));
    });
}

/// One poll of a future that is pending. All under one subscriber, the one that a suite has.
fn poll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("poll");
    let mut measure = |name: &str, future: Pin<&mut dyn Future<Output = ()>>| {
        let mut future = future;
        let mut context = Context::from_waker(Waker::noop());
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(future.as_mut().poll(&mut context)));
        });
    };
    measure("bare", std::pin::pin!(pending()));
    drop(Test::here("bench").run(|_: Sandbox| async {
        measure("owned", std::pin::pin!(pending().owned()));
        measure(
            "in_current_span",
            std::pin::pin!(pending::<()>().in_current_span()),
        );
        Ok(())
    }));
    let plain = tracing_subscriber::registry();
    tracing::subscriber::with_default(plain, || {
        let span = tracing::error_span!("plain");
        measure(
            "in_span_without_layer",
            std::pin::pin!(pending::<()>().instrument(span)),
        );
    });
}

criterion_group!(
    benches,
    look_up,
    look_up_among,
    look_up_below,
    ownership_error,
    poll
);
criterion_main!(benches);
