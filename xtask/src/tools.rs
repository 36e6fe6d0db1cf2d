//! What has to be on the machine besides cargo.

use crate::step::{Failure, Result, Step};

/// A C compiler, for the SQLite that is built in. Nothing else: no database server, no library.
pub(crate) fn install_missing() -> Result {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if Step::program(&compiler, &["--version"]).succeeds() {
        eprintln!("tools: a C compiler is there (`{compiler}`); nothing to install");
        return Ok(());
    }
    if !Step::program("apt-get", &["--version"]).succeeds() {
        return Err(Failure::new(
            "there is no C compiler (`cc`), and no apt-get to install one with\n  help: install gcc or clang with your system's package manager",
        ));
    }
    eprintln!("tools: there is no C compiler; installing gcc");
    apt_get(&["update"])?;
    apt_get(&[
        "install",
        "--yes",
        "--no-install-recommends",
        "gcc",
        "libc6-dev",
    ])
}

/// As root directly, else through sudo.
fn apt_get(arguments: &[&str]) -> Result {
    let is_root = Step::program("id", &["-u"]).read()?.trim() == "0";
    if is_root {
        return Step::program("apt-get", arguments).run();
    }
    let arguments: Vec<&str> = ["apt-get"].iter().chain(arguments).copied().collect();
    Step::program("sudo", &arguments).run()
}

/// Whether cargo-nextest is there; says how to get it if not.
pub(crate) fn has_nextest() -> bool {
    let has = Step::cargo("nextest --version").succeeds();
    if !has {
        eprintln!(
            "\ntools: cargo-nextest is not installed, so nothing is run under it\n  help: `cargo install --locked cargo-nextest` installs it"
        );
    }
    has
}
