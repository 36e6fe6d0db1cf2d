//! What the behaviour tests of heirloom share: running a test from inside a test, and running the child program, which
//! does what would harm a test's own process.

pub mod postgres;

use heirloom::{Error, Repo, Test};
use sqlx::Sqlite;
use sqlx::migrate::Migrator;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The tables of this package, for repos with a name.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// A test as `#[sandboxed]` would make it in this package.
#[track_caller]
pub fn test(name: &str) -> Test {
    Test::here(name)
}

/// The text that a failing run panics with.
///
/// # Panics
///
/// When the run does not fail.
#[track_caller]
pub fn failure_of<R>(run: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("the run was expected to fail");
    };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .expect("panics carry text")
}

/// The child program, with a directory of its own.
#[must_use]
pub fn child(program: &str, scenario: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(scenario)
        .env("HEIRLOOM_DIR", dir)
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// An empty directory for one test, below cargo's directory for test files.
///
/// # Panics
///
/// When it cannot be made.
#[must_use]
pub fn empty_dir(tmp: &str, name: &str) -> PathBuf {
    let dir = Path::new(tmp).join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("the last run's directory goes");
    }
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

/// Every file below a directory, relative to it, sorted. Lock files stay and are left out.
#[must_use]
pub fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_none_or(|extension| extension != "lock") {
                let relative = path.strip_prefix(dir).unwrap_or(&path);
                found.push(relative.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The database that a failed run of `test` left to look at, if it is there. `database` is that of any running or ended
/// test.
#[must_use]
pub fn kept_of(test: &str, database: &Path) -> Option<PathBuf> {
    let failed = database.ancestors().nth(3)?.join("failed");
    let start = format!("{}.default-", test.replace("::", "."));
    let files = std::fs::read_dir(failed).ok()?.flatten();
    files.map(|file| file.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&start) && name.ends_with(".sqlite")
    })
}

/// Waits until a condition holds.
///
/// # Panics
///
/// When it does not hold within half a minute, with what it last said.
#[track_caller]
pub fn wait_until(mut condition: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match condition() {
            Ok(()) => return,
            Err(why) if Instant::now() > deadline => panic!("still not so after 30 s: {why}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Waits for the first line that a child prints.
///
/// # Panics
///
/// When the child prints nothing.
#[track_caller]
pub fn first_line(child: &mut Child) -> String {
    use std::io::{BufRead as _, BufReader};
    let stdout = child.stdout.as_mut().expect("the child's output is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

/// As [`wait_until`], for async code: other tasks run meanwhile.
///
/// # Panics
///
/// As [`wait_until`].
#[track_caller]
pub fn eventually(mut condition: impl FnMut() -> Result<(), String>) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(why) = condition() {
            assert!(
                Instant::now() < deadline,
                "still not so after 30 s, at {caller}: {why}"
            );
            tokio::task::yield_now().await;
        }
    }
}

/// A runtime that no test started, as that of an application: what is spawned on it has no owner.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
pub fn nobodys() -> &'static Runtime {
    static NOBODYS: LazyLock<&'static Runtime> = LazyLock::new(|| runtime("nobodys"));
    *NOBODYS
}

/// Another one, which lives as long as the process. Errors tell its threads by this name.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
pub fn runtime(name: &str) -> &'static Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
        .expect("a runtime");
    Box::leak(Box::new(runtime))
}

/// Adds a guest; no two have the same address.
///
/// # Errors
///
/// The repo's.
pub async fn insert(repo: &Repo<Sqlite>, email: &str) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (email) VALUES (?)").bind(email.to_owned());
    insert.execute(repo).await.map(drop)
}

/// How many guests there are.
///
/// # Errors
///
/// The repo's.
pub async fn count(repo: &Repo<Sqlite>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(repo)
        .await
}

/// The file behind a repo, here and now.
///
/// # Errors
///
/// The repo's.
pub async fn file_of(repo: &Repo<Sqlite>) -> Result<PathBuf, Error> {
    let pool = repo.pool().await?;
    Ok(pool.connect_options().get_filename().to_owned())
}

/// The `heirloom` error inside one of sqlx's.
///
/// # Panics
///
/// When it is another error.
#[track_caller]
#[must_use]
pub fn ours(error: &sqlx::Error) -> &Error {
    let Some(ours) = Error::from_sqlx(error) else {
        panic!("not one of heirloom's: {error:?}");
    };
    ours
}

/// Prints an error, to be read with `--nocapture`, and requires it to say all of this.
///
/// # Panics
///
/// When something is missing.
#[track_caller]
pub fn says(error: &Error, parts: &[&str]) {
    let text = format!("{error:?}");
    println!("--- {}\n{text}\n", std::panic::Location::caller());
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// Who uses the sessions of a running owner, or used them last.
#[must_use]
pub fn users_of(owner: &str) -> Vec<String> {
    let seen = heirloom::inspect();
    let of_it = seen.owners.into_iter().filter(|one| one.name == owner);
    let sessions = of_it.flat_map(|one| one.sessions);
    sessions.flat_map(|session| session.users).collect()
}

/// Numbers from a seed; `HEIRLOOM_SEED` repeats a run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Prints the seed.
    #[must_use]
    pub fn seeded() -> Self {
        let given = std::env::var("HEIRLOOM_SEED").ok();
        let given = given.and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("HEIRLOOM_SEED={seed}");
        Self(seed | 1)
    }

    /// Below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed | 1)
    }
}
