//! A server for the tests of one file: that of `DATABASE_URL`, else one that ends with the process.

#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod proxy;

use heirloom_differential::{Client, Endpoint, database};
use std::fs;
use std::future::Future;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PREFIX: &str = "heirloom-differential-";

/// Runs a test with two databases that are alike, made for it and dropped after it.
pub(crate) fn with_databases<F: Future>(
    test: &str,
    body: impl FnOnce(Endpoint, Endpoint) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = server().await;
        let names = ["reference", "candidate"]
            .map(|side| format!("{PREFIX}{test}-{side}-{}", std::process::id()));
        let reference = database::make(&server, &names[0]).await.unwrap();
        let candidate = database::make(&server, &names[1]).await.unwrap();
        let output = body(reference, candidate).await;
        for name in &names {
            database::drop(&server, name).await.unwrap();
        }
        output
    })
}

pub(crate) async fn server() -> Endpoint {
    match std::env::var("DATABASE_URL") {
        Ok(url) => Endpoint::from_url(&url).unwrap(),
        Err(_) => throwaway().await,
    }
}

/// Starts a server in a directory of its own; the first test of the process does.
async fn throwaway() -> Endpoint {
    static STARTED: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let home = STARTED.get_or_init(start);
    let endpoint = Endpoint::unix(home.join(".s.PGSQL.5432"), "postgres", "postgres");
    let started = Instant::now();
    loop {
        match Client::connect(&endpoint, &[], Duration::from_secs(5)).await {
            Ok(client) => {
                client.close().await;
                return endpoint;
            }
            Err(error) => assert!(started.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn start() -> PathBuf {
    collect_old();
    let bin = bin();
    let home = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir_all(&home).unwrap();
    // PostgreSQL does not run as root.
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let nobody = root.then_some(65_534);
    chown(&home, nobody, nobody).unwrap();
    let as_user = |program: &str| {
        let mut command = Command::new("setpriv");
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command
            .args(["--pdeathsig", "INT"])
            .arg(bin.join(program))
            .arg("-D")
            .arg(home.join("data"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .current_dir(&home);
        command
    };
    let made = as_user("initdb")
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ])
        .output()
        .expect("`setpriv` of util-linux and `initdb` run");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut server = as_user("postgres");
    server.arg("-k").arg(&home);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "synchronous_commit=off",
        "autovacuum=off",
    ] {
        server.args(["-c", setting]);
    }
    server.stderr(fs::File::create(home.join("log")).unwrap());
    // The signal comes when the thread that started it ends; so that one ends with the process.
    std::thread::spawn(move || server.spawn().expect("`postgres` starts").wait().ok());
    home
}

/// `HEIRLOOM_PG_BIN`, else the newest of a Debian system, else the first `initdb` in the path.
fn bin() -> PathBuf {
    if let Some(dir) = std::env::var_os("HEIRLOOM_PG_BIN") {
        return dir.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<_> = versions.map(|dir| dir.path().join("bin")).collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path));
    all.find(|dir| dir.join("initdb").is_file()).expect(
        "PostgreSQL's server is installed, or HEIRLOOM_PG_BIN names the directory of `initdb`, or DATABASE_URL a server",
    )
}

/// What test processes that have ended left behind.
fn collect_old() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
