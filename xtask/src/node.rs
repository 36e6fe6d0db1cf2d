//! The modules of Node's PostgreSQL driver, for the tests of programs in JavaScript: installed below `target/`.

use crate::step::{Failure, Result, Step};
use crate::tools;
use std::fs;
use std::path::Path;

const PACKAGE: &str = include_str!("../../tests/clients/node/package.json");
const LOCK: &str = include_str!("../../tests/clients/node/package-lock.json");

/// Where the modules are that the lock file names; installed if they are not there.
pub(crate) fn with_pg() -> Result<String> {
    let dir = tools::target_dir()?.join("node");
    let modules = dir.join("node_modules");
    let lock = dir.join("package-lock.json");
    // The copy of the lock file is written last: it says that all of it is there.
    if fs::read_to_string(&lock).is_ok_and(|lock| lock == LOCK) && modules.join("pg").is_dir() {
        return text(&modules);
    }
    install(&dir, &lock)?;
    text(&modules)
}

/// What the tests find them by.
pub(crate) fn variable(modules: &str) -> (&'static str, &str) {
    ("HEIRLOOM_NODE_MODULES", modules)
}

fn install(dir: &Path, lock: &Path) -> Result {
    if !Step::program("npm", &["--version"]).succeeds() {
        tools::install_node()?;
    }
    let made = dir.join("new");
    fs::remove_dir_all(&made).ok();
    write(&made, "package.json", PACKAGE)?;
    write(&made, "package-lock.json", LOCK)?;
    let prefix = format!("--prefix={}", text(&made)?);
    let how = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let arguments = [&how[..], &["--loglevel=error", &prefix]].concat();
    Step::program("npm", &arguments).run()?;
    let modules = dir.join("node_modules");
    fs::remove_dir_all(&modules).ok();
    let moved = fs::rename(made.join("node_modules"), &modules);
    moved.map_err(|error| failed(&modules, &error))?;
    fs::remove_dir_all(&made).ok();
    fs::write(lock, LOCK).map_err(|error| failed(lock, &error))
}

fn write(dir: &Path, name: &str, contents: &str) -> Result {
    let written = fs::create_dir_all(dir).and_then(|()| fs::write(dir.join(name), contents));
    written.map_err(|error| failed(&dir.join(name), &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{} is not Unicode", path.display())))
}
