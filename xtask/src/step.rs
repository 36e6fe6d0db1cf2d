//! One step: a command that is shown, run and timed.

use crate::told;
use std::fmt;
use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why the run stopped.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A step to run.
pub(crate) struct Step {
    shown: String,
    command: Command,
}

impl Step {
    /// A cargo command, run by the cargo that runs us.
    pub(crate) fn cargo(arguments: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments.split_whitespace());
        if std::env::var_os("CI").is_some() {
            // What only a second build would profit from.
            command.env("CARGO_INCREMENTAL", "0");
        }
        Self {
            shown: format!("cargo {arguments}"),
            command,
        }
    }

    /// Any other command.
    pub(crate) fn program(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self {
            shown: format!("{program} {}", arguments.join(" ")),
            command,
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}='{value}' {}", self.shown);
        self
    }

    /// Variables that are not worth showing.
    pub(crate) fn with<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs it; its output goes where ours goes.
    pub(crate) fn run(mut self) -> Result {
        let shown = self.shown.clone();
        timed(&self.shown, || {
            let status = self
                .command
                .status()
                .map_err(|error| Failure::new(format!("cannot run `{shown}`: {error}")))?;
            if status.success() {
                return Ok(());
            }
            Err(Failure::new(format!("`{shown}` failed: {status}")))
        })
    }

    /// Runs tests. Where nobody looks on, what failed is said once more at the very end: the rest is a long log.
    pub(crate) fn run_tests(mut self) -> Result {
        if std::io::stdout().is_terminal() {
            return self.run();
        }
        let shown = self.shown.clone();
        timed(&self.shown, || {
            let (status, failed) = told::run(&mut self.command, std::io::stdout())
                .map_err(|error| Failure::new(format!("cannot run `{shown}`: {error}")))?;
            if status.success() {
                return Ok(());
            }
            let failed = failed.join("; ");
            Err(Failure::new(format!(
                "`{shown}` failed: {status}: {failed}"
            )))
        })
    }

    /// Runs it and returns what it prints. What it says on standard error goes where ours goes.
    pub(crate) fn read(mut self) -> Result<String> {
        let shown = self.shown.clone();
        timed(&self.shown, || {
            let output = self
                .command
                .stderr(Stdio::inherit())
                .output()
                .map_err(|error| Failure::new(format!("cannot run `{shown}`: {error}")))?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            Err(Failure::new(format!("`{shown}` failed: {}", output.status)))
        })
    }

    /// Whether it can be run and succeeds. Says nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Shows a step, does it, and shows how long it took.
pub(crate) fn timed<T>(shown: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("\n==> {shown}");
    let started = Instant::now();
    let done = step()?;
    eprintln!("<== {:.1} s: {shown}", started.elapsed().as_secs_f64());
    Ok(done)
}
