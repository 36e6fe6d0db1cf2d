//! What a test says about its default database, and how its sessions are given back.

use crate::clock::Clock;
use crate::error::{BoxError, Error};
use crate::harness::{Sandbox, Test};
use crate::isolation::{Fixture, Isolation, Kept, Schema, Verdict};
use crate::owner::Owner;
use crate::repo::{
    Sessions, Setup, Terms, Wish, checkin_all, session_url, share_everywhere, suite_has_started,
};
#[cfg(feature = "sqlite")]
use sqlx::Database as _;
use sqlx::migrate::Migrator;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// From the attribute's arguments.
#[derive(Debug, Default)]
pub(super) struct Database {
    migrations: Migrations,
    fixtures: Vec<Fixture>,
    terms: Terms,
    pub(super) shared: bool,
}

#[derive(Debug, Default)]
enum Migrations {
    #[default]
    Package,
    Directory(&'static str),
    Migrator(&'static Migrator),
    None,
}

impl Test {
    /// Migrates the database from a directory, relative to the package's `Cargo.toml`. Default: `migrations`, if it
    /// is there; a package that runs on several databases has a directory for each in it, `migrations/sqlite` and
    /// `migrations/postgres`.
    pub fn migrations_dir(mut self, dir: &'static str) -> Self {
        self.database.migrations = Migrations::Directory(dir);
        self
    }

    /// Starts with an empty database; on PostgreSQL with the application's own, as it is.
    pub fn no_migrations(mut self) -> Self {
        self.database.migrations = Migrations::None;
        self
    }

    /// Migrates the database with migrations that are compiled in.
    pub fn migrator(mut self, migrator: &'static Migrator) -> Self {
        self.database.migrations = Migrations::Migrator(migrator);
        self
    }

    /// Runs SQL in the test's database before anything uses it, in the order of the calls. `name` is for errors.
    pub fn fixture(mut self, name: &'static str, sql: &'static str) -> Self {
        self.database.fixtures.push(Fixture { name, sql });
        self
    }

    /// Sets for how long the test may have each of its sessions, from its opening. Then it is taken away, and errors say
    /// so. Default: as the repo says, else 120 s, as Ecto's.
    pub fn ownership_timeout(mut self, limit: Duration) -> Self {
        self.database.terms.limit = Some(limit);
        self
    }

    /// Runs the test alone: it waits until the others have ended, in other processes too, and they wait for it. Code that
    /// nobody owns uses its sessions, on every repo.
    pub fn shared(mut self) -> Self {
        self.database.shared = true;
        self
    }

    /// Runs the test outside the sandbox: what it commits stays, and everybody outside the sandbox sees it. For SQLite
    /// that is a migrated file that lives as long as the process, for PostgreSQL the application's own database; fixtures
    /// are not run in it.
    pub fn isolation_none(mut self) -> Self {
        self.database.terms.sandbox = Some(false);
        self
    }

    /// Gives the test a private copy of the database, where commits are real. SQLite's default; on PostgreSQL it is for
    /// what cannot be had in a transaction that is never committed.
    pub fn isolation_database(self) -> Self {
        self.isolation(Isolation::Database)
    }

    /// Runs the test in a transaction that is never committed. PostgreSQL's default; SQLite has no such thing.
    pub fn isolation_transaction(self) -> Self {
        self.isolation(Isolation::Transaction)
    }

    fn isolation(mut self, isolation: Isolation) -> Self {
        self.database.terms.sandbox = Some(true);
        self.database.terms.isolation = Some(isolation);
        self
    }
}

impl Database {
    pub(super) fn set_up(&self, owner: &Owner, manifest_dir: &'static str) {
        suite_has_started();
        let package = package_dir(manifest_dir);
        owner.attachment::<Sessions>().set_up(Setup {
            package: package.display().to_string(),
            named: self.named(&package),
            fallback: Schema::Package(package.join("migrations")),
            fixtures: self.fixtures.clone(),
            terms: self.terms,
        });
        if self.shared {
            share_everywhere(owner);
        }
    }

    fn named(&self, package: &Path) -> Option<Schema> {
        match self.migrations {
            Migrations::Package => None,
            Migrations::Directory(dir) => Some(Schema::Directory(package.join(dir))),
            Migrations::Migrator(migrator) => Some(Schema::Migrator(migrator)),
            Migrations::None => Some(Schema::Empty),
        }
    }
}

impl Sandbox {
    /// Where other drivers and other processes find the database of the test's pool argument, with everything that the
    /// test has not committed: for PostgreSQL a URL with the session's token, valid as long as the session. What connects
    /// there is served by a thread of its own, also while the test's own thread is blocked.
    ///
    /// With several databases compiled in, it is the one that the test uses already, else PostgreSQL.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # use sqlx::SqlitePool;
    /// # Test::here("example").no_migrations().run(|sandbox: Sandbox| async move {
    /// # let _: SqlitePool = sandbox.get().await.unwrap();
    /// let url = sandbox.database_url().await?;
    /// std::process::Command::new("true").env("DATABASE_URL", url).status()?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Why the session could not be opened.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the session may be open already.
    pub async fn database_url(&self) -> Result<String, Error> {
        let owner = self.owner().clone();
        #[cfg(feature = "sqlite")]
        if !cfg!(feature = "postgres") || owner.attachment::<Sessions>().uses(sqlx::Sqlite::NAME) {
            return session_url(owner, &Wish::<sqlx::Sqlite>::of_argument()).await;
        }
        #[cfg(feature = "postgres")]
        return session_url(owner, &Wish::<sqlx::Postgres>::of_argument()).await;
        #[cfg(not(feature = "postgres"))]
        unreachable!("a database is compiled in")
    }
}

/// The test's own runtime, and its clock if that is paused.
pub(super) fn lives_on(owner: &Owner, runtime: tokio::runtime::Id, clock: Option<&Clock>) {
    let sessions = owner.attachment::<Sessions>();
    sessions.set_home(runtime);
    if let Some(clock) = clock {
        sessions.set_clock(clock.clone());
    }
}

/// Where the test was compiled. A build that was moved to another machine is told by its runner.
fn package_dir(compiled_in: &'static str) -> PathBuf {
    let compiled_in = PathBuf::from(compiled_in);
    if compiled_in.is_dir() {
        return compiled_in;
    }
    std::env::var_os("CARGO_MANIFEST_DIR").map_or(compiled_in, PathBuf::from)
}

pub(super) use crate::repo::abandon;

/// Gives back every session, on a small runtime of its own: the test's is gone, and with it every task that could still
/// hold a connection.
pub(super) fn checkin(owner: &Owner, failed: bool, patience: Duration) -> Vec<BoxError> {
    let verdict = if failed {
        Verdict::Keep
    } else {
        Verdict::Discard
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return vec![format!("no runtime to end in: {error}").into()],
    };
    let mut errors = Vec::new();
    for done in runtime.block_on(checkin_all(owner, verdict, patience)) {
        if let Some(kept) = done.kept {
            let text = match kept {
                Kept::File(path) => format!("is kept at {}", path.display()),
                Kept::Database { .. } => format!("is kept; open it with {kept}"),
            };
            eprintln!("heirloom: the database of the failed test `{owner}` {text}");
        }
        if let Some(taken) = done.taken.filter(|_| failed) {
            eprintln!("heirloom: the failed test `{owner}` had lost a session\n{taken}");
        }
        if failed {
            for hint in done.hints {
                eprintln!("heirloom: about the failed test `{owner}`: {hint}");
            }
        }
        errors.extend(done.errors.into_iter().map(BoxError::from));
    }
    errors
}

/// How long a server that is asked may take. Whoever asks looks again later.
const PATIENCE: Duration = Duration::from_millis(250);

/// The database calls of an owner that are in flight. Blocks where a server has to be asked, which is answered to another
/// thread.
pub(super) fn in_flight(owner: &Owner) -> Vec<String> {
    let mut asked = pin!(crate::repo::in_flight(owner));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(calls) = asked.as_mut().poll(&mut Context::from_waker(&waker)) {
            return calls;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return vec!["a session that does not tell".to_owned()];
        }
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
