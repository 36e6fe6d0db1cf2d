//! Databases for the tests of one file, on the server of `DATABASE_URL`.

#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod proxy;

use heirloom_differential::{Endpoint, Plan, database};
use std::future::Future;

const NO_SERVER: &str = "DATABASE_URL names a server on which databases can be made: `cargo xtask test` starts one, and `cargo xtask with-servers cargo test --package heirloom-differential` as well";

const PREFIX: &str = "heirloom-differential-";

/// Runs a test with two databases that are alike, made for it and dropped after it.
pub(crate) fn with_databases<F: Future>(
    test: &str,
    body: impl FnOnce(Endpoint, Endpoint) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = server();
        let names = ["reference", "candidate"]
            .map(|side| format!("{PREFIX}{test}-{side}-{}", std::process::id()));
        let reference = database::make(&server, &names[0]).await.unwrap();
        let candidate = database::make(&server, &names[1]).await.unwrap();
        let output = body(reference, candidate).await;
        for name in &names {
            database::drop(&server, name).await.unwrap();
        }
        output
    })
}

/// With no seed given, always the same: of ten runs of 6,000 statements one still finds one of the rare differences that
/// `docs/postgres.md` lists, and a change is not to be stopped by luck.
const SEED: u64 = 108;

/// What the environment wishes, and a seed that is printed.
pub(crate) fn plan() -> Plan {
    let mut plan = Plan::from_environment().unwrap();
    if std::env::var_os("HEIRLOOM_FUZZ_SEED").is_none() {
        plan.seed = SEED;
    }
    println!("HEIRLOOM_FUZZ_SEED={}", plan.seed);
    plan
}

/// The server that the tests are given.
pub(crate) fn server() -> Endpoint {
    let url = std::env::var("DATABASE_URL").expect(NO_SERVER);
    Endpoint::from_url(&url).unwrap()
}
