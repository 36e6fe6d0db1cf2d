//! A server of this test alone, in a directory of its own.

use super::*;
use std::io::Write as _;
use std::process::Command;

struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("heirloom-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn start(home: &Home, databases: Databases) -> Server {
    let programs = Programs::find_or_install().unwrap();
    let account = Account::for_server().unwrap();
    Server::below(&home.0, &programs, &account, databases).unwrap()
}

fn psql(server: &Server, variable: &str, sql: &str) -> String {
    let (_, url) = server
        .variables()
        .find(|(name, _)| *name == variable)
        .unwrap();
    let programs = Programs::find_or_install().unwrap();
    let psql = Command::new(programs.path("psql"))
        .args(["-XqAt", "-c", sql, url])
        .output()
        .unwrap();
    assert!(
        psql.status.success(),
        "{}",
        String::from_utf8_lossy(&psql.stderr)
    );
    String::from_utf8(psql.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

fn pid_file(home: &Home) -> PathBuf {
    home.0.join("0/data/postmaster.pid")
}

#[test]
fn the_server_has_what_tests_need_and_ends_with_its_owner() {
    let home = Home::new("ends");
    let server = start(&home, Databases::None);
    let role = "SELECT rolname, rolcreatedb, rolsuper, current_database() FROM pg_roles WHERE rolname = current_user";
    assert_eq!(psql(&server, "DATABASE_URL", role), "heirloom|t|f|heirloom");
    assert_eq!(
        psql(&server, "HEIRLOOM_SUPERUSER_URL", role),
        "postgres|t|t|postgres"
    );
    let settings = "SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'max_connections', 'listen_addresses')";
    assert_eq!(psql(&server, "DATABASE_URL", settings), "off 127.0.0.1 100");
    assert!(pid_file(&home).exists());
    let sockets = server.sockets.clone();
    drop(server);
    assert!(!pid_file(&home).exists() && !sockets.exists());
}

#[test]
fn databases_are_kept_only_when_that_is_wanted() {
    let home = Home::new("kept");
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'left'";
    let server = start(&home, Databases::None);
    psql(&server, "DATABASE_URL", "CREATE DATABASE \"left\"");
    drop(server);
    assert_eq!(
        psql(&start(&home, Databases::Kept), "DATABASE_URL", there),
        "1"
    );
    assert_eq!(
        psql(&start(&home, Databases::None), "DATABASE_URL", there),
        "0"
    );
    // One that cannot be started is made again.
    fs::write(home.0.join("0/data/PG_VERSION"), "7\n").unwrap();
    assert_eq!(
        psql(&start(&home, Databases::Kept), "DATABASE_URL", there),
        "0"
    );
}

#[test]
fn two_at_once_are_apart() {
    let home = Home::new("two");
    let servers = [start(&home, Databases::None), start(&home, Databases::None)];
    psql(&servers[0], "DATABASE_URL", "CREATE TABLE here ()");
    let there = "SELECT to_regclass('here') IS NOT NULL";
    let [one, two] = servers
        .each_ref()
        .map(|server| psql(server, "DATABASE_URL", there));
    assert_eq!((&*one, &*two), ("t", "f"));
}

/// The shell was killed as well, so nobody has stopped the server.
#[test]
fn a_server_that_a_killed_run_has_left_is_stopped_at_the_next_start() {
    let home = Home::new("left");
    let mut server = start(&home, Databases::None);
    let pid = || {
        fs::read_to_string(pid_file(&home))
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let left = pid();
    server.shell.kill().unwrap();
    server.shell.wait().unwrap();
    // Its input is closed, and nobody reads that.
    server.input.take().unwrap().flush().unwrap();
    server.sockets = PathBuf::new();
    drop(server);
    assert_eq!(pid(), left);
    let server = start(&home, Databases::Kept);
    assert_ne!(pid(), left);
    assert_eq!(psql(&server, "DATABASE_URL", "SELECT 1"), "1");
    assert!(!cluster::runs_in(&left, &home.0.join("0/data")));
}
