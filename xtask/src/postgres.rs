//! A PostgreSQL server for the tests: made below `target/`, started, stopped again.
//!
//! A shell holds the server: it stops it when its standard input ends, and that ends when this process does, whatever
//! ends that. What a killed shell leaves running is stopped before the next start.

mod account;
mod cluster;
mod programs;

use crate::step::{Failure, Result, timed};
use crate::tools;
use account::Account;
use cluster::Cluster;
use programs::Programs;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

/// Whether the databases of the last run may still be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Databases {
    /// A new cluster.
    None,
    /// Those that failed tests have left to be looked at.
    Kept,
}

/// A running server. Stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    variables: Vec<(&'static str, String)>,
    // In this order: its standard input is closed, it is waited for, what it used is removed, another may have it.
    input: Option<ChildStdin>,
    shell: Child,
    sockets: PathBuf,
    _slot: File,
}

/// Starts the server, says that it runs (`$1` is `pg_ctl`, `$2` the data, `$3` the log), stops it when nobody needs it.
const SHELL: &str = r#"
"$1" start --wait --silent -D "$2" -l "$3" </dev/null >/dev/null || exit 1
echo up
read -r _
exec "$1" stop --silent --mode fast -D "$2" </dev/null >/dev/null
"#;

impl Server {
    /// In the directory that cargo builds in. PostgreSQL is installed if it is not there.
    pub(crate) fn start(databases: Databases) -> Result<Self> {
        let programs = Programs::find_or_install()?;
        timed("a PostgreSQL server", || {
            let account = Account::for_server()?;
            let root = home_of_clusters(&account)?;
            Self::below(&root, &programs, &account, databases)
        })
    }

    fn below(
        root: &Path,
        programs: &Programs,
        account: &Account,
        databases: Databases,
    ) -> Result<Self> {
        let (home, slot) = free_slot(root)?;
        account.own(&home)?;
        let cluster = Cluster::new(home, programs, account);
        cluster.stop_what_was_left();
        if databases == Databases::None {
            cluster.remove()?;
        }
        let kept = cluster.is_made();
        if !kept {
            cluster.make()?;
        }
        match Self::run(&cluster, account, programs) {
            // Of another version, or broken.
            Err(failure) if kept => {
                eprintln!("postgres: the cluster of the last run is of no use: {failure}");
                cluster.remove()?;
                cluster.make()?;
                Self::run(&cluster, account, programs)
            }
            other => other,
        }
        .map(|running| running.into_server(slot))
    }

    fn run(cluster: &Cluster<'_>, account: &Account, programs: &Programs) -> Result<Running> {
        let sockets = account.short_dir(&cluster.home)?;
        let port = free_port()?;
        cluster.configure(&sockets, port)?;
        let mut running = Running::start(cluster, account, programs, sockets)?;
        if !running.is_up() {
            return Err(Failure::new(format!(
                "PostgreSQL does not start; its log, {}, ends with\n{}",
                cluster.log().display(),
                last_lines(&cluster.log())
            )));
        }
        running.variables = cluster.prepare(&running.sockets, port)?;
        Ok(running)
    }

    /// What the tests find it by.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, url)| (*name, &**url))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may have been stopped by somebody else.
        self.shell.wait().ok();
        fs::remove_dir_all(&self.sockets).ok();
    }
}

/// A server that is being started. Dropped before it is a [`Server`], it is stopped as well.
struct Running {
    shell: Option<Child>,
    sockets: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Running {
    fn start(
        cluster: &Cluster<'_>,
        account: &Account,
        programs: &Programs,
        sockets: PathBuf,
    ) -> Result<Self> {
        let shell = account
            .command(Path::new("sh"), &cluster.home)
            .args(["-c", SHELL, "sh"])
            .arg(programs.path("pg_ctl"))
            .args([cluster.data(), cluster.log()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for whoever uses the server: it has to be there until they have ended.
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(format!("cannot run `sh`: {error}")))?;
        Ok(Self {
            shell: Some(shell),
            sockets,
            variables: Vec::new(),
        })
    }

    fn is_up(&mut self) -> bool {
        let stdout = self.shell.as_mut().and_then(|shell| shell.stdout.take());
        let mut line = String::new();
        let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
        read.is_some_and(|read| read.is_ok()) && line.trim_end() == "up"
    }

    fn into_server(mut self, slot: File) -> Server {
        let mut shell = self.shell.take().expect("taken here only");
        Server {
            variables: std::mem::take(&mut self.variables),
            input: shell.stdin.take(),
            shell,
            sockets: std::mem::take(&mut self.sockets),
            _slot: slot,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            // Closes its input first.
            shell.wait().ok();
            fs::remove_dir_all(&self.sockets).ok();
        }
    }
}

/// A directory in which `account` may work: below `target/`, else with the temporary files.
fn home_of_clusters(account: &Account) -> Result<PathBuf> {
    let target = tools::target_dir().map(|target| target.join("postgres"));
    let elsewhere = std::env::temp_dir().join("heirloom-postgres");
    let mut places = target.into_iter().chain([elsewhere]);
    places
        .find(|place| fs::create_dir_all(place).is_ok() && account.may_enter(place))
        .ok_or_else(|| {
            Failure::new(format!(
                "there is no directory that `{}` may use for a PostgreSQL server",
                account.name()
            ))
        })
}

/// The first directory that no other run uses. The lock goes with the process.
fn free_slot(root: &Path) -> Result<(PathBuf, File)> {
    let failed = |error| Failure::new(format!("cannot write to {}: {error}", root.display()));
    for slot in 0_u32.. {
        let lock = File::create(root.join(format!("{slot}.lock"))).map_err(failed)?;
        if lock.try_lock().is_ok() {
            let home = root.join(slot.to_string());
            fs::create_dir_all(&home).map_err(failed)?;
            return Ok((home, lock));
        }
    }
    Err(Failure::new("every number is in use"))
}

fn free_port() -> Result<u16> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure::new(format!("there is no free port: {error}")))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(10).collect();
    lines.reverse();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
