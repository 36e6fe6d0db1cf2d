//! A Python with psycopg, for the test of that driver: an environment of its own below `target/`.

use crate::step::{Failure, Result, Step};
use crate::tools;
use std::path::Path;
use std::process::Command;

/// With its own libpq, so that nothing has to be compiled. One version, so that a new one is no surprise.
const PSYCOPG: &str = "psycopg[binary]==3.3.9";

/// Where its Python is; made if it is not there.
pub(crate) fn with_psycopg() -> Result<String> {
    let dir = text(&tools::target_dir()?.join("python"))?;
    let python = format!("{dir}/bin/python");
    if !has_psycopg(&python) {
        make(&dir, &python)?;
    }
    Ok(python)
}

/// What the tests find it by.
pub(crate) fn variable(python: &str) -> (&'static str, &str) {
    ("HEIRLOOM_PYTHON", python)
}

fn has_psycopg(python: &str) -> bool {
    let version = Command::new(python)
        .args(["-c", "import psycopg; print(psycopg.__version__)"])
        .output();
    version.is_ok_and(|output| {
        let version = String::from_utf8_lossy(&output.stdout);
        output.status.success() && PSYCOPG.ends_with(&format!("=={}", version.trim_end()))
    })
}

fn make(dir: &str, python: &str) -> Result {
    // Debian has the part that makes environments in a package of its own.
    if !Step::program("python3", &["-c", "import venv, ensurepip"]).succeeds() {
        tools::install_python()?;
    }
    Step::program("python3", &["-m", "venv", "--clear", dir]).run()?;
    let pip = ["-m", "pip", "install", "--quiet"];
    let arguments = [&pip[..], &["--disable-pip-version-check", PSYCOPG]].concat();
    Step::program(python, &arguments).run()
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{} is not Unicode", path.display())))
}
