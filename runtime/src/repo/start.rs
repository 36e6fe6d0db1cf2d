//! Owners that are no tests: a session of a task's own, one that another process opens, one outside the sandbox.

use super::opening;
use super::session::Terms;
use super::sessions::{self, PATIENCE, Sessions, Setup};
use super::{Repo, Supported};
use crate::context;
use crate::error::{Asker, Error, Place};
use crate::isolation::{Isolation, IsolationLevel, Schema, Verdict};
use crate::owner::{Owner, Role};
use crate::task::{self, Tracker};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::panic::Location;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

impl Owner {
    /// Starts an owner that is not a test, with sessions on the repos that are named: on all of them or on none. On other
    /// repos its sessions open on first use.
    ///
    /// For a task that wants a session of its own although its test has one, and for sessions that another process
    /// opens. It is current where it is entered: `future.owned_by(&owner)`, [`Owner::enter`].
    ///
    /// ```
    /// # use heirloom::{FutureExt, Owner, Repo, Sandbox, Test};
    /// # use sqlx::Sqlite;
    /// static REPO: Repo<Sqlite> = Repo::named("accounts");
    /// static AUDIT: Repo<Sqlite> = Repo::named("audit");
    ///
    /// # Test::here("example").run(|_: Sandbox| async move {
    /// let owner = Owner::start("import").repo(&REPO).repo(&AUDIT).await?;
    /// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&REPO).owned_by(&owner).await?;
    /// # assert_eq!(one, 1);
    /// owner.stop().await?; // everything is rolled back now
    /// # Ok(()) });
    /// ```
    ///
    /// A default repo starts with the migrations of the test that starts the owner; outside tests with those beside the
    /// package's `Cargo.toml`, where cargo says which that is.
    #[track_caller]
    pub fn start(name: impl Into<String>) -> StartOwner {
        Self::start_at(name, Location::caller().into())
    }

    /// The same, for somebody who wrote that there.
    pub(crate) fn start_at(name: impl Into<String>, at: Place) -> StartOwner {
        StartOwner {
            name: name.into(),
            at,
            terms: Terms::default(),
            repos: Vec::new(),
        }
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A repo, and how its session is opened for the owner.
type Open = (&'static str, Box<dyn FnOnce(Owner) -> Opening + Send>);

/// An owner that is to be started by awaiting this. From [`Owner::start`].
#[must_use = "nothing is started until it is awaited"]
pub struct StartOwner {
    name: String,
    at: Place,
    terms: Terms,
    repos: Vec<Open>,
}

impl StartOwner {
    /// Opens a session on this repo, too.
    pub fn repo<DB: Supported>(mut self, repo: &Repo<DB>) -> Self {
        let wish = repo.wish(Terms::default(), Some(self.at));
        let open = move |owner: Owner| -> Opening {
            Box::pin(async move { opening::checkout(&owner, Role::Owner, wish).await.map(drop) })
        };
        self.repos.push((repo.name, Box::new(open)));
        self
    }

    /// `false`: outside the sandbox, where commits are real; see [`CheckoutRequest::sandbox`](super::CheckoutRequest::sandbox).
    pub fn sandbox(mut self, sandbox: bool) -> Self {
        self.terms.sandbox = Some(sandbox);
        self
    }

    /// How its sessions are kept apart. Default: as each database does, [`Isolation::Transaction`] on PostgreSQL and
    /// [`Isolation::Database`] on SQLite, which has no other.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.terms.isolation = Some(isolation);
        self
    }

    /// The isolation level of its sessions' transactions. Default: the database's.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.terms.level = Some(level);
        self
    }

    /// For how long it may have each session. Default: as the repo says, else 120 s.
    pub fn ownership_timeout(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    /// Who it belongs to is decided here; nothing is opened yet.
    fn begin(&self) -> StartedOwner {
        let parent = context::current();
        let setup = parent.as_ref().and_then(|parent| {
            let sessions: &Sessions = parent.attachment();
            sessions.setup().cloned()
        });
        let started = StartedOwner {
            owner: Owner::begin(self.name.clone(), self.at),
            at: self.at,
            stopped: false,
        };
        started.owner.attachment::<Sessions>().set_up(Setup {
            fixtures: Vec::new(),
            terms: self.terms,
            ..setup.unwrap_or_else(outside_tests)
        });
        started
    }
}

/// Cargo and nextest say in the environment which package's tests they run.
fn outside_tests() -> Setup {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let migrations = package.as_ref().map(|package| package.join("migrations"));
    Setup {
        package: package.map_or_else(String::new, |package| package.display().to_string()),
        named: None,
        fallback: migrations.map_or(Schema::Empty, Schema::Package),
        fixtures: Vec::new(),
        terms: Terms::default(),
    }
}

impl IntoFuture for StartOwner {
    type Output = Result<StartedOwner, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// # Cancel safety
    ///
    /// Dropped before it is done, nothing is left.
    fn into_future(self) -> Self::IntoFuture {
        let started = self.begin();
        Box::pin(async move {
            for (repo, open) in self.repos {
                if let Err(source) = open(started.owner.clone()).await {
                    let owner = started.owner.name().to_owned();
                    let place = started.at;
                    // Nobody has used it yet, so nobody can hold anything of it.
                    started.stop_by(Asker::now(Some(place))).await.ok();
                    return Err(Error::NotStarted {
                        owner,
                        place,
                        repo,
                        source: Box::new(source),
                    });
                }
            }
            Ok(started)
        })
    }
}

impl fmt::Debug for StartOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repos: Vec<_> = self.repos.iter().map(|(repo, _)| repo).collect();
        f.debug_struct("StartOwner")
            .field("name", &self.name)
            .field("repos", &repos)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// An owner that was started by hand. From [`Owner::start`]; it is an [`Owner`].
///
/// Dropped without [`stop`](Self::stop) it ends all the same, but without waiting: what still uses its sessions is cut
/// short, and they go with the last use.
#[must_use = "dropped at once, it ends at once"]
#[derive(Debug)]
pub struct StartedOwner {
    owner: Owner,
    at: Place,
    stopped: bool,
}

impl StartedOwner {
    /// Ends the owner: its tasks are dropped where they wait, nobody gets into its sessions any more, who is in them is waited
    /// for, everything is rolled back, and nothing of it is left when this is done.
    ///
    /// Dropped are the tasks that were spawned as its own by annotated code. Such a task ends by unwinding, so whoever joins
    /// it is told that it panicked, with a text that names the owner. An actor, which has a name, and a future that may be a
    /// part of somebody else's task (made by hand: `owned(future)`, `.owned_by(&owner)`; a message) go on, without the
    /// owner's sessions.
    ///
    /// # Errors
    ///
    /// [`Error::NotStopped`] when somebody held a connection for more than 5 s, or something could not be removed. The
    /// owner has ended all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it ends as if it had been dropped without a stop.
    #[track_caller]
    pub fn stop(self) -> impl Future<Output = Result<(), Error>> + Send {
        let by = Asker::now(Some(Location::caller().into()));
        self.stop_by(by)
    }

    pub(crate) async fn stop_by(mut self, by: Asker) -> Result<(), Error> {
        let place = by.place.unwrap_or(self.at);
        self.owner.close(place, Some(by));
        task::abort(&self.owner, PATIENCE).await;
        let closed = sessions::checkin_all(&self.owner, Verdict::RollBack, PATIENCE).await;
        self.owner.end();
        self.stopped = true;
        let help = "let go of it (await or drop it) before you stop the owner";
        let errors = sessions::errors_of(closed, "was stopped", help);
        if errors.is_empty() {
            return Ok(());
        }
        Err(Error::NotStopped {
            owner: self.owner.name().to_owned(),
            errors,
        })
    }
}

impl Deref for StartedOwner {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for StartedOwner {
    fn drop(&mut self) {
        if !self.stopped {
            self.owner.close(self.at, Some(Asker::now(None)));
            self.owner.work::<Tracker>().abort_all();
            sessions::abandon(&self.owner);
            self.owner.end();
        }
    }
}
