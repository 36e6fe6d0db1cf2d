//! 1,000 small tests on PostgreSQL: eight at once in one process, or each in a process of its own.
//!
//! Run with: `cargo xtask with-servers cargo test --release -p heirloom-benches --test thousand`, or under nextest, with what
//! each of them does in a variable:
//! `HEIRLOOM_THOUSAND=heirloom cargo xtask with-servers cargo nextest run --release -p heirloom-benches --test thousand`.
//! It is `heirloom`, `sqlx_test`, `connect`, or `nothing`.

use heirloom::{Sandbox, Test};
use heirloom_benches::MIGRATOR;
use heirloom_benches::postgres::{connect, five_queries, server};
use sqlx::PgPool;
use sqlx::testing::{TestArgs, TestFn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const TESTS: usize = 1_000;
const AT_ONCE: usize = 8;
const WAYS: [&str; 4] = ["nothing", "connect", "heirloom", "sqlx_test"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As nextest asks for the tests, and for one of them.
    if arguments.contains(&"--list") {
        if !arguments.contains(&"--ignored") {
            (0..TESTS).for_each(|number| println!("number_{number}: test"));
        }
    } else if let Some(name) = arguments.iter().find(|name| name.starts_with("number_")) {
        let way = std::env::var("HEIRLOOM_THOUSAND");
        test(way.as_deref().unwrap_or("heirloom"), name);
    } else {
        WAYS.iter().for_each(|way| in_one_process(way));
    }
}

fn in_one_process(way: &str) {
    let next = AtomicUsize::new(0);
    // sqlx's are a hundred times slower, and each takes a hundred files in the server's directory.
    let tests = if way == "sqlx_test" { 100 } else { TESTS };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= tests {
                        break;
                    }
                    test(way, &format!("number_{number}"));
                }
            });
        }
    });
    let took = started.elapsed();
    let each = took / u32::try_from(tests).expect("not that many");
    println!("{way}: {tests} tests in {took:.2?}, {each:.1?} each, {AT_ONCE} at once");
}

fn test(way: &str, name: &str) {
    match way {
        "nothing" => {}
        "connect" => runtime().block_on(async { drop(connect(&server()).await) }),
        "heirloom" => drop(Test::here(name).migrator(&MIGRATOR).run(
            |sandbox: Sandbox| async move {
                five_queries(&sandbox.get::<PgPool>().await.expect("a pool")).await;
                Ok(())
            },
        )),
        "sqlx_test" => {
            let body: fn(PgPool) -> _ = by_value;
            let args = TestArgs {
                test_path: name.to_owned().leak(),
                migrator: Some(&MIGRATOR),
                fixtures: &[],
            };
            TestFn::run_test(body, args);
        }
        _ => panic!("no such way: {way}; there are {WAYS:?}"),
    }
}

async fn by_value(pool: PgPool) {
    five_queries(&pool).await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
