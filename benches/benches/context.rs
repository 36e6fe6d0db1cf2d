//! What ownership costs where it is not used for a database: the look-up, and a poll of an owned future.
//!
//! Run with: `cargo bench -p heirloom-benches --bench context`

use criterion::{Criterion, criterion_group, criterion_main};
use heirloom::{FutureExt as _, Sandbox, Test};
use std::future::{Future, pending};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};
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

criterion_group!(benches, look_up, poll);
criterion_main!(benches);
