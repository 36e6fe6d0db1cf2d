//! `cargo xtask ci`: everything that must hold before a change is taken.

use crate::step::{Result, Step};
use crate::test::{self, FEATURES, with_features};
use crate::{production, tools, unstable};

pub(crate) fn run() -> Result {
    tools::install_missing()?;
    Step::cargo("fmt --all --check").run()?;
    // Flags behind `--` leave the dependencies' builds as they are; RUSTFLAGS would build them all again.
    Step::cargo("clippy --workspace --all-targets -- -D warnings").run()?;
    for features in FEATURES {
        let command = with_features("clippy --package heirloom --all-targets", features);
        Step::cargo(&format!("{command} -- -D warnings")).run()?;
    }
    unstable::clippy()?;
    Step::cargo("doc --workspace --no-deps")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    production::check()?;
    test::run_all()
}
