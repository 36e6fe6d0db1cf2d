//! A whole small SQLite test, from nothing to nothing: heirloom against what people use today, in one run.
//!
//! Run with: `cargo bench -p heirloom-benches --bench sqlite`

use criterion::{Criterion, criterion_group, criterion_main};
use heirloom::{Sandbox, Test};
use heirloom_benches::{MIGRATOR, five_queries};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::testing::{TestArgs, TestFn};

fn whole_test(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sqlite_whole_test");
    group.bench_function("heirloom", |bencher| {
        bencher.iter(|| {
            Test::here("bench")
                .migrator(&MIGRATOR)
                .run(|sandbox: Sandbox| async move {
                    five_queries(&sandbox.get::<SqlitePool>().await.expect("a pool")).await;
                    Ok(())
                })
        });
    });
    group.bench_function("fresh_memory_and_20_migrations", |bencher| {
        bencher.iter(|| {
            runtime().block_on(async {
                // One connection: every further one would be another, empty database.
                let options = SqlitePoolOptions::new().max_connections(1);
                let pool = options.connect("sqlite::memory:").await.expect("a pool");
                MIGRATOR.run(&pool).await.expect("migrations");
                five_queries(&pool).await;
                pool.close().await;
            });
        });
    });
    group.sample_size(20);
    group.bench_function("sqlx_test", |bencher| {
        bencher.iter(|| {
            let body: fn(SqlitePool) -> _ = by_value;
            let args = TestArgs {
                test_path: "bench::sqlx_test",
                migrator: Some(&MIGRATOR),
                fixtures: &[],
            };
            TestFn::run_test(body, args);
        });
    });
    group.finish();
}

async fn by_value(pool: SqlitePool) {
    five_queries(&pool).await;
}

/// The parts of a whole test, to see where the time goes.
fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sqlite_parts");
    group.bench_function("test_without_database", |bencher| {
        bencher.iter(|| Test::here("bench").run(|_: Sandbox| async { Ok(()) }));
    });
    group.bench_function("test_with_unused_pool", |bencher| {
        bencher.iter(|| {
            Test::here("bench")
                .migrator(&MIGRATOR)
                .run(|sandbox: Sandbox| async move {
                    sandbox.get::<SqlitePool>().await.map(drop).expect("a pool");
                    Ok(())
                })
        });
    });
    group.bench_function("runtime_alone", |bencher| {
        bencher.iter(|| runtime().block_on(async {}));
    });
    group.finish();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

criterion_group!(benches, whole_test, parts);
criterion_main!(benches);
