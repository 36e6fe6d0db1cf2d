//! In a test a repo is the session of whoever owns the running code.

use super::Repo;
use super::session;
use crate::context;
use crate::error::Place;
use crate::error::{Error, Subject};
use crate::isolation::{Isolate, Schema};
use sqlx::Pool;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

/// A database that [`Repo`] supports.
pub trait Supported: Isolate {}

#[cfg(feature = "sqlite")]
impl Supported for sqlx::Sqlite {}

/// Who may use a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Owners use their sessions, everybody else the pool that the repo was given: outside test suites.
    Auto,
    /// Only owners and their heirs, everybody else gets [`Error::Ownership`]: as soon as a `#[sandboxed]` test has
    /// started in this process. A plain `#[test]` beside it is "everybody else" from then on.
    Manual,
}

static SUITE: AtomicBool = AtomicBool::new(false);

/// From now on repos are in [`Mode::Manual`].
pub(crate) fn suite_has_started() {
    SUITE.store(true, Ordering::Relaxed);
}

impl<DB: Supported> Repo<DB> {
    /// Who may use the repo now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if SUITE.load(Ordering::Relaxed) {
            Mode::Manual
        } else {
            Mode::Auto
        }
    }
}

pub(super) fn owner_is_current() -> bool {
    context::current().is_some()
}

/// The owner is looked up here, synchronously: whoever polls the future later may be somebody else.
pub(super) fn pool<DB: Supported>(
    repo: &Repo<DB>,
    asked_at: Option<&'static Location<'static>>,
) -> impl Future<Output = Result<Pool<DB>, Error>> + Send + use<DB> {
    let asked_at = asked_at.map(Place::from);
    let (name, own) = (repo.name, repo.migrator.map(Schema::Migrator));
    let found = context::current().ok_or_else(|| plain(repo, asked_at));
    async move {
        match found {
            Ok(owner) => {
                owner.require_running(Subject::Repo(name), asked_at)?;
                session::pool(owner, name, own).await
            }
            Err(plain) => plain,
        }
    }
}

/// What nobody's code gets: the repo's pool in [`Mode::Auto`], if it was given one.
fn plain<DB: Supported>(repo: &Repo<DB>, asked_at: Option<Place>) -> Result<Pool<DB>, Error> {
    let pool = repo.pool.get().filter(|_| repo.mode() == Mode::Auto);
    pool.cloned().ok_or_else(|| nobody(repo, asked_at))
}

fn nobody<DB: Supported>(repo: &Repo<DB>, asked_at: Option<Place>) -> Error {
    let mode = match repo.mode() {
        Mode::Auto => "`Auto`, but the repo was given no pool",
        Mode::Manual => "`Manual`: a `#[sandboxed]` test has started, so only owners use it",
    };
    let mut trail = context::trail(asked_at, vec![("the repo's mode", mode.to_owned())]);
    if repo.mode() == Mode::Auto {
        trail
            .help
            .push("outside tests: call `Repo::connect(url)` when the application starts");
    }
    Error::Ownership {
        subject: Subject::Repo(repo.name),
        trail: Box::new(trail),
    }
}
