//! PostgreSQL: a query and a connection of a test against those of a server, and a whole small test, from nothing to
//! nothing, against what people use today, in one run.
//!
//! Run with: `cargo xtask with-servers cargo bench -p heirloom-benches --bench postgres`

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heirloom::{Sandbox, Test};
use heirloom_benches::MIGRATOR;
use heirloom_benches::postgres::{
    connect, five_queries, five_queries_on, migrated, pool, run, server,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::testing::{TestArgs, TestFn};
use sqlx::{Connection as _, PgConnection, PgPool};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Tests at the same time.
const OWNERS: u64 = 8;

fn queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("postgres_query");
    for (name, time) in [("select", Query::Select), ("insert", Query::Insert)] {
        group.bench_function(format!("{name}/direct_in_transaction"), |bencher| {
            let runtime = runtime();
            let mut connection = runtime.block_on(connect(direct()));
            runtime.block_on(run(&mut connection, "BEGIN"));
            bencher.iter_custom(|calls| runtime.block_on(time.repeat(&mut connection, calls)));
        });
        group.bench_function(format!("{name}/heirloom"), |bencher| {
            bencher.iter_custom(|calls| {
                within_a_test(async move |pool: PgPool| {
                    let mut connection = pool.acquire().await.expect("a connection");
                    time.repeat(&mut connection, calls).await
                })
            });
        });
    }
    group.finish();
}

/// One of the queries that are timed on a connection that has prepared them.
#[derive(Clone, Copy)]
enum Query {
    Select,
    Insert,
}

impl Query {
    async fn repeat(self, connection: &mut PgConnection, calls: u64) -> Duration {
        self.once(connection, -1).await;
        let started = Instant::now();
        for call in 0..calls {
            let id = i32::try_from(call).expect("not that many");
            self.once(connection, id).await;
        }
        let took = started.elapsed();
        run(connection, "DELETE FROM users").await;
        took
    }

    async fn once(self, connection: &mut PgConnection, id: i32) {
        match self {
            Self::Select => {
                let one = sqlx::query_scalar::<_, i32>("SELECT 1");
                one.fetch_one(connection).await.map(drop).expect("a number");
            }
            Self::Insert => {
                let insert = sqlx::query("INSERT INTO users (id, name) VALUES ($1, 'ada')");
                let insert = insert.bind(id).execute(connection);
                insert.await.expect("an insert");
            }
        }
    }
}

fn connects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("postgres_connect");
    group.bench_function("direct", |bencher| {
        let runtime = runtime();
        bencher.iter(|| runtime.block_on(async { drop(connect(direct()).await) }));
    });
    group.bench_function("heirloom", |bencher| {
        bencher.iter_custom(|calls| {
            within_a_test(async move |pool: PgPool| {
                let options = pool.connect_options();
                let started = Instant::now();
                for _ in 0..calls {
                    drop(connect(&options).await);
                }
                started.elapsed()
            })
        });
    });
    group.finish();
}

/// What is timed in one test of its own.
fn within_a_test(time: impl AsyncFn(PgPool) -> Duration) -> Duration {
    let took = OnceLock::new();
    drop(migrating().run(|sandbox: Sandbox| {
        let (took, time) = (&took, &time);
        async move {
            let pool = sandbox.get::<PgPool>().await.expect("a pool");
            took.set(time(pool).await).expect("it is set once");
            Ok(())
        }
    }));
    took.into_inner().expect("the test passes")
}

fn whole_test(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("postgres_whole_test");
    group.bench_function("heirloom", |bencher| bencher.iter(heirloom));
    group.bench_function("begin_rollback_on_an_open_connection", |bencher| {
        let runtime = runtime();
        let mut connection = runtime.block_on(connect(direct()));
        bencher.iter(|| runtime.block_on(rolled_back(&mut connection)));
    });
    group.bench_function("begin_rollback_on_a_new_connection", |bencher| {
        bencher.iter(|| {
            runtime().block_on(async {
                let mut connection = connect(direct()).await;
                rolled_back(&mut connection).await;
                connection.close().await.expect("it closes");
            });
        });
    });
    group.sample_size(20);
    group.bench_function("truncate_on_an_open_pool", |bencher| {
        let runtime = runtime();
        let pool = runtime.block_on(async { pool(direct().clone()) });
        bencher.iter(|| runtime.block_on(truncated(&pool)));
    });
    group.bench_function("heirloom_isolation_database", |bencher| {
        bencher.iter(|| small_test(migrating().isolation_database()));
    });
    group.sample_size(10);
    group.bench_function("create_database_template", |bencher| {
        bencher.iter(|| runtime().block_on(cloned()));
    });
    group.bench_function("sqlx_test", |bencher| bencher.iter(|| sqlx_test("alone")));
    group.finish();
}

/// A whole test of heirloom's.
fn heirloom() {
    small_test(migrating());
}

fn migrating() -> Test {
    Test::here("bench").migrator(&MIGRATOR)
}

fn small_test(test: Test) {
    drop(test.run(|sandbox: Sandbox| async move {
        five_queries(&sandbox.get::<PgPool>().await.expect("a pool")).await;
        Ok(())
    }));
}

async fn rolled_back(connection: &mut PgConnection) {
    run(connection, "BEGIN").await;
    five_queries_on(connection).await;
    run(connection, "ROLLBACK").await;
}

async fn truncated(pool: &PgPool) {
    five_queries(pool).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let all = "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ',') || ' CASCADE' \
        FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'); END $$";
    run(&mut connection, all).await;
}

async fn cloned() {
    static TEMPLATE: OnceLock<()> = OnceLock::new();
    if TEMPLATE.get().is_none() {
        migrated("bench_heirloom_template").await;
        TEMPLATE.set(()).ok();
    }
    let mut administrator = connect(&server()).await;
    let create = "CREATE DATABASE bench_heirloom_clone TEMPLATE bench_heirloom_template";
    run(&mut administrator, create).await;
    let pool = pool(server().database("bench_heirloom_clone"));
    five_queries(&pool).await;
    pool.close().await;
    run(&mut administrator, "DROP DATABASE bench_heirloom_clone").await;
    administrator.close().await.expect("it closes");
}

fn sqlx_test(path: &'static str) {
    let body: fn(PgPool) -> _ = by_value;
    let args = TestArgs {
        test_path: path,
        migrator: Some(&MIGRATOR),
        fixtures: &[],
    };
    TestFn::run_test(body, args);
}

async fn by_value(pool: PgPool) {
    five_queries(&pool).await;
}

/// The parts of a whole test, to see where the time goes.
fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("postgres_parts");
    let mut measure = |name: &str, body: fn(PgPool) -> Body| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                drop(migrating().run(|sandbox: Sandbox| async move {
                    body(sandbox.get::<PgPool>().await.expect("a pool")).await;
                    Ok(())
                }));
            });
        });
    };
    measure("test_with_unused_pool", |_| Box::pin(async {}));
    measure("test_with_one_connection", |pool| {
        Box::pin(async move { drop(pool.acquire().await.expect("a connection")) })
    });
    measure("test_with_five_queries_on_one_connection", |pool| {
        Box::pin(async move {
            five_queries_on(&mut pool.acquire().await.expect("a connection")).await;
        })
    });
    group.finish();
}

type Body = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tests per second, with so many at once.
fn owners(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("postgres_8_at_once");
    group.throughput(Throughput::Elements(1));
    group.bench_function("heirloom", |bencher| {
        bencher.iter_custom(|tests| at_once(tests, |_| heirloom()));
    });
    group.sample_size(10);
    group.bench_function("sqlx_test", |bencher| {
        const PATHS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        bencher.iter_custom(|tests| at_once(tests, |thread| sqlx_test(PATHS[thread])));
    });
    group.finish();
}

fn at_once(tests: u64, test: impl Fn(usize) + Sync) -> Duration {
    let left = std::sync::atomic::AtomicU64::new(tests);
    let take = || {
        use std::sync::atomic::Ordering::Relaxed;
        left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..usize::try_from(OWNERS).expect("a few") {
            let (take, test) = (&take, &test);
            scope.spawn(move || {
                while take().is_ok() {
                    test(thread);
                }
            });
        }
    });
    started.elapsed()
}

/// A migrated database of the benchmarks' own, without heirloom.
fn direct() -> &'static PgConnectOptions {
    static DIRECT: OnceLock<PgConnectOptions> = OnceLock::new();
    DIRECT.get_or_init(|| {
        // Whoever asks is in a runtime of its own.
        let made = std::thread::spawn(|| runtime().block_on(migrated("bench_heirloom_direct")));
        made.join().expect("a database")
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

criterion_group!(benches, queries, connects, whole_test, parts, owners);
criterion_main!(benches);
