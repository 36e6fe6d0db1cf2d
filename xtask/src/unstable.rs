//! What exists with tokio's unstable hooks only, and its tests. They build everything again, with another flag for the
//! compiler, in a target directory of their own below the usual one: so both stay built.

use crate::step::{Failure, Result, Step};
use crate::tools;

const FLAG: &str = "--cfg tokio_unstable";

/// The tests of the hooks, and heirloom's own, with its examples.
pub(crate) fn test() -> Result {
    step("test --package heirloom-unstable --package heirloom")?.run_tests()
}

pub(crate) fn clippy() -> Result {
    let packages = "clippy --package heirloom-unstable --package heirloom --all-targets";
    step(&format!("{packages} -- -D warnings"))?.run()?;
    // Without the sandbox the function is there as well, so that an application compiles.
    step("check --package heirloom --no-default-features")?.run()
}

fn step(arguments: &str) -> Result<Step> {
    let target = tools::target_dir()?.join("unstable");
    let target = target.to_str().map(str::to_owned);
    let target = target.ok_or_else(|| Failure::new("the target directory is not Unicode"))?;
    Ok(Step::cargo(arguments)
        .with([("CARGO_TARGET_DIR", target.as_str())])
        .env("RUSTFLAGS", &with_flag("RUSTFLAGS"))
        .env("RUSTDOCFLAGS", &with_flag("RUSTDOCFLAGS")))
}

/// What the person has set, and the flag.
fn with_flag(variable: &str) -> String {
    let set = std::env::var(variable).unwrap_or_default();
    format!("{set} {FLAG}").trim_start().to_owned()
}
