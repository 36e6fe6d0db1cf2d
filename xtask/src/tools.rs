//! What has to be on the machine besides cargo.

use crate::step::{Failure, Result, Step};
use std::path::PathBuf;

/// Says to Debian's package, while it is installed, that no server is to be made and started with it.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/heirloom.conf";

/// The directory that cargo builds in: we are in a directory of it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let xtask = std::env::current_exe().ok();
    xtask
        .and_then(|xtask| Some(xtask.parent()?.parent()?.to_owned()))
        .ok_or_else(|| Failure::new("nobody knows where this program is"))
}

/// PostgreSQL's server and its programs. The server that comes with Debian's package is neither made nor started.
pub(crate) fn install_postgres() -> Result {
    prepare_install(
        "PostgreSQL (`initdb`)",
        "its server, or set HEIRLOOM_PG_BIN to the directory of `initdb`",
    )?;
    let script = format!(
        "mkdir -p \"$(dirname {NO_CLUSTER})\" && echo 'create_main_cluster = false' >{NO_CLUSTER}"
    );
    as_root("sh", &["-c", &script])?;
    let installed = install(&["postgresql"]);
    as_root("rm", &["-f", NO_CLUSTER])?;
    installed
}

/// Python, with what makes environments.
pub(crate) fn install_python() -> Result {
    prepare_install("Python 3 with `venv`", "python3 and its `venv`")?;
    install(&["python3", "python3-venv"])
}

/// Node, with npm.
pub(crate) fn install_node() -> Result {
    prepare_install("Node (`node`, `npm`)", "nodejs and npm")?;
    install(&["nodejs", "npm"])
}

/// Chromium, with what steers it.
pub(crate) fn install_chromium() -> Result {
    prepare_install(
        "Chromium (`chromedriver`)",
        "chromium and its chromedriver, or set CHROMEDRIVER to the latter",
    )?;
    install(&["chromium", "chromium-driver"])
}

/// A C compiler, for the SQLite that is built in.
pub(crate) fn install_missing() -> Result {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if Step::program(&compiler, &["--version"]).succeeds() {
        eprintln!("tools: a C compiler is there (`{compiler}`); nothing to install");
        return Ok(());
    }
    prepare_install("C compiler (`cc`)", "gcc or clang")?;
    install(&["gcc", "libc6-dev"])
}

fn prepare_install(what: &str, remedy: &str) -> Result {
    if !Step::program("apt-get", &["--version"]).succeeds() {
        return Err(Failure::new(format!(
            "there is no {what}, and no apt-get to install one with\n  help: with your system's package manager, install {remedy}"
        )));
    }
    eprintln!("tools: there is no {what}; installing it");
    apt_get(&["update"])
}

fn install(packages: &[&str]) -> Result {
    let how = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[&how, packages].concat())
}

/// Asks nothing: nobody may be there to answer.
fn apt_get(arguments: &[&str]) -> Result {
    let quiet = ["DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let arguments: Vec<&str> = quiet.iter().chain(arguments).copied().collect();
    as_root("env", &arguments)
}

/// As root directly, else through sudo.
fn as_root(program: &str, arguments: &[&str]) -> Result {
    let is_root = Step::program("id", &["-u"]).read()?.trim() == "0";
    if is_root {
        return Step::program(program, arguments).run();
    }
    let arguments: Vec<&str> = [program].iter().chain(arguments).copied().collect();
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
