//! Databases for the tests of one file, on the server of `DATABASE_URL`.

#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod proxy;

use heirloom_differential::{Endpoint, database};
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

/// The server that the tests are given.
pub(crate) fn server() -> Endpoint {
    let url = std::env::var("DATABASE_URL").expect(NO_SERVER);
    Endpoint::from_url(&url).unwrap()
}
