//! A PostgreSQL server of this test process alone, with every way to log in; it ends when the process does.

use crate::isolation::postgres::config::Config;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The server of this process.
#[derive(Debug)]
pub(crate) struct Throwaway {
    home: PathBuf,
    port: u16,
}

const PREFIX: &str = "heirloom-pg-";

/// By role: `host` lines, the first that fits counts. There is none for `nobody_knows`.
const HBA: &str = "\
local   all all trust
host    all trusted   all trust
host    all with_md5   all md5
host    all with_scram all scram-sha-256
host    all with_clear all password
hostssl all only_tls   all scram-sha-256
hostnossl all only_plain all scram-sha-256
hostssl all with_cert  all cert
hostssl all cert_and_scram all scram-sha-256 clientcert=verify-ca
";

const ROLES: &str = "\
CREATE ROLE trusted LOGIN CREATEDB;
CREATE ROLE creator LOGIN CREATEDB;
CREATE ROLE humble LOGIN;
SET password_encryption = 'md5';
CREATE ROLE with_md5 LOGIN PASSWORD 'p:@ss/wörd';
SET password_encryption = 'scram-sha-256';
CREATE ROLE with_scram LOGIN PASSWORD 'p:@ss/wörd';
CREATE ROLE with_clear LOGIN PASSWORD 'p:@ss/wörd';
CREATE ROLE only_tls LOGIN PASSWORD 'p:@ss/wörd';
CREATE ROLE only_plain LOGIN PASSWORD 'p:@ss/wörd';
CREATE ROLE with_cert LOGIN;
CREATE ROLE cert_and_scram LOGIN PASSWORD 'p:@ss/wörd';
CREATE ROLE nobody_knows LOGIN;
CREATE ROLE barred LOGIN;
CREATE DATABASE closed;
REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
";

/// The password of every role that has one, as it stands in a URL.
pub(crate) const PASSWORD: &str = "p%3A%40ss%2Fw%C3%B6rd";

impl Throwaway {
    /// Started on first use.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<Throwaway> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Over TCP: `postgres://{account}@localhost:port/{rest}`.
    pub(crate) fn tcp(&self, account: &str, rest: &str) -> Config {
        let url = format!("postgres://{account}@localhost:{}/{rest}", self.port);
        Config::from_url(&url).unwrap()
    }

    /// Over the unix socket, where everybody is trusted.
    pub(crate) fn unix(&self, role: &str, database: &str) -> Config {
        Config::from_url(&self.unix_url(role, database)).unwrap()
    }

    pub(crate) fn unix_url(&self, role: &str, database: &str) -> String {
        let (home, port) = (self.home.display(), self.port);
        format!("postgres:///{database}?host={home}&port={port}&user={role}")
    }

    #[cfg(feature = "postgres-tls")]
    pub(crate) fn file(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    fn start() -> Self {
        let bin = bin();
        collect_old();
        let home = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        // PostgreSQL does not run as root.
        let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let nobody = root.then_some(65_534);
        chown(&home, nobody, nobody).unwrap();
        let as_user = |program: &Path| {
            let mut command = Command::new("setpriv");
            if root {
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            }
            command.args(["--pdeathsig", "INT"]).arg(program);
            command.stdin(Stdio::null()).current_dir(&home);
            command
        };
        let data = home.join("data");
        let made = as_user(&bin.join("initdb"))
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("`setpriv` of util-linux and `initdb` run");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        certificates(&home);
        for name in ["server.key", "server.crt", "ca.crt"] {
            let to = data.join(name);
            fs::copy(home.join(name), &to).unwrap();
            chown(&to, nobody, nobody).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = as_user(&bin.join("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&home)
            .args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=localhost",
            "ssl=on",
            "ssl_ca_file=ca.crt",
            "max_connections=60",
            "log_statement=all",
        ] {
            server.args(["-c", setting]);
        }
        if std::env::var_os("HEIRLOOM_TEST_FSYNC").is_none() {
            server.args(["-c", "fsync=off"]);
        }
        let log = fs::File::create(home.join("log")).unwrap();
        server.stdout(Stdio::null()).stderr(log);
        // The signal comes when the thread that started it ends; so that one ends with the process.
        std::thread::spawn(move || {
            let mut server = server.spawn().expect("`postgres` starts");
            server.wait().ok();
        });
        let this = Self { home, port };
        let roles = this.home.join("roles.sql");
        fs::write(&roles, ROLES).unwrap();
        let started = Instant::now();
        loop {
            let psql = Command::new(bin.join("psql"))
                .args(["-qXv", "ON_ERROR_STOP=1", "-f"])
                .arg(&roles)
                .arg(this.unix_url("postgres", "postgres"))
                .output()
                .unwrap();
            if psql.status.success() {
                return this;
            }
            let said = String::from_utf8_lossy(&psql.stderr).into_owned();
            assert!(started.elapsed() < Duration::from_secs(30), "{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `HEIRLOOM_PG_BIN`, else the newest of a Debian system, else the first `initdb` in the path.
fn bin() -> PathBuf {
    if let Some(dir) = std::env::var_os("HEIRLOOM_PG_BIN") {
        return dir.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<_> = versions
        .flatten()
        .map(|dir| dir.path().join("bin"))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|dir| dir.join("initdb").is_file())
        .expect(
            "PostgreSQL's server is installed, or HEIRLOOM_PG_BIN names the directory of `initdb`",
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

/// An authority, a server's certificate for `localhost` signed with SHA-384, one of a client, and another authority.
/// On a curve, because a key of RSA takes half a second to find.
fn certificates(home: &Path) {
    let script = "
set -e
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
authority() { openssl req -x509 $new -days 2 -subj \"/CN=$1\" -keyout $1.key -out $1.crt; }
authority ca; authority stranger
sign() {
  openssl req $new -subj \"/CN=$2\" -keyout $1.key -out $1.csr
  printf 'subjectAltName=DNS:localhost\\n' > $1.ext
  openssl x509 -req -in $1.csr -CA $3.crt -CAkey $3.key -CAcreateserial -days 2 -out $1.crt -extfile $1.ext $4
}
sign server localhost ca -sha384
sign client with_cert ca -sha256
sign forged with_cert stranger -sha256
";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(home)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}
