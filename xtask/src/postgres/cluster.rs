//! The cluster: its directory, its settings, its roles.

use super::account::Account;
use super::programs::Programs;
use crate::step::{Failure, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a cluster is made of.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub(super) home: PathBuf,
    programs: &'a Programs,
    account: &'a Account,
}

/// Nothing in it has to survive a power cut. Over TCP a password is asked for, because everybody on this machine gets
/// there; the directory of the socket is closed to others.
const SETTINGS: &str = "\
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 100
listen_addresses = '127.0.0.1'
";

/// `heirloom` is what a developer's role is: it may make databases, and nothing else.
const ROLES: &str = r"
SELECT 'CREATE ROLE heirloom' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heirloom') \gexec
ALTER ROLE heirloom LOGIN CREATEDB PASSWORD 'heirloom';
SELECT 'CREATE DATABASE heirloom OWNER heirloom' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'heirloom') \gexec
";

impl<'a> Cluster<'a> {
    pub(super) fn new(home: PathBuf, programs: &'a Programs, account: &'a Account) -> Self {
        Self {
            home,
            programs,
            account,
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    pub(super) fn is_made(&self) -> bool {
        self.data().join("PG_VERSION").is_file()
    }

    pub(super) fn remove(&self) -> Result {
        match fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
                format!("cannot remove {}: {error}", self.data().display()),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn make(&self) -> Result {
        // The rest of one that could not be made.
        self.remove()?;
        let mut initdb = self
            .account
            .command(&self.programs.path("initdb"), &self.home);
        initdb
            .args(["--username=postgres", "--auth-local=trust"])
            .args(["--auth-host=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(self.data())
            .stdin(Stdio::null());
        succeed(initdb, "initdb")?;
        append(
            &self.data().join("postgresql.conf"),
            "include 'heirloom.conf'\n",
        )
    }

    /// Where it is to listen this time.
    pub(super) fn configure(&self, sockets: &Path, port: u16) -> Result {
        let path = self.data().join("heirloom.conf");
        let sockets = sockets.display().to_string().replace('\'', "''");
        let text = format!("{SETTINGS}unix_socket_directories = '{sockets}'\nport = {port}\n");
        fs::write(&path, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
    }

    /// Makes the roles, and says by which variables tests find the server.
    pub(super) fn prepare(&self, sockets: &Path, port: u16) -> Result<Vec<(&'static str, String)>> {
        let roles = self.home.join("roles.sql");
        fs::write(&roles, ROLES)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", roles.display())))?;
        let superuser = url("postgres", sockets, port, "postgres");
        let mut psql = Command::new(self.programs.path("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
            .arg("--file")
            .arg(&roles)
            .arg(&superuser);
        succeed(psql, "psql")?;
        Ok(vec![
            ("DATABASE_URL", url("heirloom", sockets, port, "heirloom")),
            ("HEIRLOOM_SUPERUSER_URL", superuser),
            ("HEIRLOOM_PG_BIN", self.programs.dir().display().to_string()),
        ])
    }

    /// Stops a server that runs in this directory. Nobody has any use for it: the directory's lock is ours.
    pub(super) fn stop_what_was_left(&self) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let runs = pid
            .lines()
            .next()
            .is_some_and(|pid| runs_in(pid, &self.data()));
        if !runs {
            // By now the number may be another program's, to which `pg_ctl` would send its signal all the same.
            return;
        }
        eprintln!("postgres: stopping the server that a killed run has left");
        let mut stop = self
            .account
            .command(&self.programs.path("pg_ctl"), &self.home);
        stop.args(["stop", "--silent", "--mode", "immediate", "-D"])
            .arg(self.data());
        if let Err(failure) = succeed(stop, "pg_ctl stop") {
            eprintln!("postgres: {failure}");
        }
    }
}

/// Whether this process is a server with that directory.
pub(super) fn runs_in(pid: &str, data: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline"))
        .or_else(|_| {
            Command::new("ps")
                .args(["-ww", "-o", "args=", "-p", pid])
                .output()
                .map(|output| output.stdout)
        })
        .unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*data.to_string_lossy())
}

/// As every driver reads it: the host is the directory, with its slashes in percent.
fn url(role: &str, sockets: &Path, port: u16, database: &str) -> String {
    let mut host = String::new();
    for byte in sockets.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                host.push(char::from(*byte));
            }
            _ => write!(host, "%{byte:02X}").expect("a string takes text"),
        }
    }
    format!("postgres://{role}@{host}:{port}/{database}")
}

fn append(path: &Path, text: &str) -> Result {
    let file = fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

fn succeed(mut command: Command, name: &str) -> Result {
    let failed = |why: String| Err(Failure::new(format!("`{name}` failed: {why}")));
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(output) => failed(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_host_in_percent() {
        let url = url("ada", Path::new("/tmp/a b-1"), 5432, "shop");
        assert_eq!(url, "postgres://ada@%2Ftmp%2Fa%20b-1:5432/shop");
    }

    #[test]
    fn a_number_in_an_old_file_is_no_server() {
        let this_process = std::process::id().to_string();
        assert!(!runs_in(&this_process, Path::new("/no/such/cluster")));
        assert!(!runs_in("not a number", Path::new("/no/such/cluster")));
    }
}
