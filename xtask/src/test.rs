//! `cargo xtask test`: every test there is.

use crate::postgres::{Databases, Server};
use crate::step::{Result, Step};
use crate::{guestbook, node, python, tools, underway, unstable};

/// The features that an application can have of heirloom without those of its tests, and the other way round. The
/// workspace's own build has all of them.
pub(crate) const FEATURES: &[&str] = &[
    "",
    "macros",
    "sqlite",
    "macros,sqlite,apalis,axum,serde",
    "sandbox",
    "sandbox,tower",
    "postgres",
    "sandbox,postgres",
    "macros,sandbox,sqlite,postgres-tls,apalis,axum,serde",
];

pub(crate) fn run() -> Result {
    tools::install_missing()?;
    run_all()
}

pub(crate) fn run_all() -> Result {
    let python = python::with_psycopg()?;
    let modules = node::with_pg()?;
    guestbook::install_missing()?;
    let server = Server::start(Databases::None)?;
    let run = |arguments: &str| {
        Step::cargo(arguments)
            .with(server.variables())
            .with([python::variable(&python), node::variable(&modules)])
            .run_tests()
    };
    run("test --workspace --no-fail-fast")?;
    // The same story on the other database.
    run("test --package guestbook --features postgres")?;
    guestbook::test(&server)?;
    underway::test(&server)?;
    unstable::test()?;
    for features in FEATURES {
        // The examples in the documentation are on SQLite; with all targets named, they are left out.
        let without_examples = features.contains("postgres") && !features.contains("sqlite");
        let targets = if without_examples {
            " --all-targets"
        } else {
            ""
        };
        let command = format!("test --package heirloom{targets}");
        run(&with_features(&command, features))?;
    }
    if tools::has_nextest() {
        // Every test is a process of its own there.
        run("nextest run --no-fail-fast --package guestbook --package heirloom-tests")?;
    }
    Ok(())
}

pub(crate) fn with_features(command: &str, features: &str) -> String {
    match features {
        "" => format!("{command} --no-default-features"),
        some => format!("{command} --no-default-features --features {some}"),
    }
}
