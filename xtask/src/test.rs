//! `cargo xtask test`: every test there is.

use crate::step::{Result, Step};
use crate::tools;

/// The features that an application can have of heirloom without those of its tests, and the other way round. The
/// workspace's own build has all of them.
pub(crate) const FEATURES: &[&str] = &["", "macros", "sqlite", "macros,sqlite", "sandbox"];

pub(crate) fn run() -> Result {
    tools::install_missing()?;
    run_all()
}

pub(crate) fn run_all() -> Result {
    Step::cargo("test --workspace").run()?;
    for features in FEATURES {
        Step::cargo(&with_features("test --package heirloom", features)).run()?;
    }
    if tools::has_nextest() {
        // Every test is a process of its own there.
        Step::cargo("nextest run --package guestbook --package heirloom-tests").run()?;
    }
    Ok(())
}

pub(crate) fn with_features(command: &str, features: &str) -> String {
    match features {
        "" => format!("{command} --no-default-features"),
        some => format!("{command} --no-default-features --features {some}"),
    }
}
