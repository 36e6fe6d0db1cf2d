//! In a test a repo is the session of whoever owns the running code.

use super::Repo;
use super::mode;
use super::opening::{self, Wish, repo_id};
use super::orphan::{self, OrphanPolicy};
use super::session::{InUse, Terms};
use super::sessions::Ask;
use crate::context;
use crate::error::{Asker, Error, Place, Subject};
use crate::isolation::{Isolate, Schema};
use crate::owner::{self, Owner, last_of_repo};
use sqlx::Pool;
use std::future::Future;
use std::panic::Location;

/// A database that [`Repo`] supports.
pub trait Supported: Isolate {}

#[cfg(feature = "sqlite")]
impl Supported for sqlx::Sqlite {}

/// What a repo says of itself, for tests only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(super) terms: Terms,
    pub(super) orphans: OrphanPolicy,
}

impl Config {
    pub(super) const DEFAULT: Self = Self {
        terms: Terms {
            sandbox: None,
            level: None,
            limit: None,
        },
        orphans: OrphanPolicy::Error,
    };
}

pub(super) fn owner_is_current() -> bool {
    context::current().is_some()
}

impl<DB: Supported> Repo<DB> {
    pub(super) fn wish(&self, terms: Terms, asked_at: Option<Place>) -> Wish<DB> {
        Wish {
            ask: Ask {
                repo: repo_id::<DB>(self.name),
                terms,
                config: self.config.terms,
                asked_at,
            },
            own: self.migrator.map(Schema::Migrator),
            given: self.pool.get().cloned(),
        }
    }
}

/// Keeps a session in use; there is none where the pool is the application's own.
pub(super) struct Pass(Option<InUse>);

impl Pass {
    /// What somebody is told whose session was taken away while it was in use.
    pub(super) fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        match &self.0 {
            Some(in_use) => in_use.explain(error),
            None => error,
        }
    }
}

/// Whose session a use of a repo means.
enum Whose<DB: Supported> {
    Owner(Owner),
    Plain(Pool<DB>),
    /// It waits for an owner.
    Orphan,
}

/// The owner is looked up here, synchronously: whoever polls the future later may be somebody else.
pub(super) fn enter<DB: Supported>(
    repo: &Repo<DB>,
    asked_at: Option<&'static Location<'static>>,
) -> impl Future<Output = Result<(Pool<DB>, Pass), Error>> + Send + use<DB> {
    let asked_at = asked_at.map(Place::from);
    let wish = repo.wish(Terms::default(), asked_at);
    let orphans = repo.config.orphans;
    let found = whose(&wish, orphans);
    async move {
        let whose = match found? {
            Whose::Orphan => adopted(&wish).await?,
            whose => whose,
        };
        match whose {
            Whose::Owner(owner) => {
                owner.require_running(Subject::Repo(wish.ask.repo.name), asked_at)?;
                let (pool, in_use) = opening::enter(owner, wish).await?;
                Ok((pool, Pass(Some(in_use))))
            }
            Whose::Plain(pool) => Ok((pool, Pass(None))),
            Whose::Orphan => unreachable!("an orphan that was adopted is none: heirloom's bug"),
        }
    }
}

fn whose<DB: Supported>(wish: &Wish<DB>, orphans: OrphanPolicy) -> Result<Whose<DB>, Error> {
    if let Some(owner) = context::current() {
        return Ok(Whose::Owner(owner));
    }
    let mode = mode::of(wish.ask.repo);
    match (mode, &wish.given) {
        (mode::Mode::Shared(owner), _) => Ok(Whose::Owner(owner)),
        (mode::Mode::Auto, Some(pool)) => Ok(Whose::Plain(pool.clone())),
        (mode::Mode::Manual, _) if orphans == OrphanPolicy::Pause => Ok(Whose::Orphan),
        (mode, _) => Err(nobody(wish, &mode)),
    }
}

/// Waits until somebody owns the code that asks, or everybody may use the repo.
async fn adopted<DB: Supported>(wish: &Wish<DB>) -> Result<Whose<DB>, Error> {
    let (repo, asked_at) = (wish.ask.repo.name, wish.ask.asked_at);
    let _seen = owner::paused(repo, Asker::now(asked_at));
    orphan::until_changed(|| match whose(wish, OrphanPolicy::Pause) {
        Ok(Whose::Orphan) => None,
        found => Some(found),
    })
    .await
}

pub(super) fn nobody<DB: Supported>(wish: &Wish<DB>, mode: &mode::Mode) -> Error {
    let repo = wish.ask.repo;
    let subject = Subject::Repo(repo.name);
    let the_mode = || {
        let text = match mode {
            mode::Mode::Auto => "`Auto`, but the repo was given no pool".to_owned(),
            _ => match last_of_repo(repo) {
                None => "`Manual`, so only owners and their heirs use it".to_owned(),
                Some(owner) => format!("`Manual` again; it was shared by {owner}"),
            },
        };
        vec![("the repo's mode", text)]
    };
    let mut trail = context::trail(subject, wish.ask.asked_at, the_mode);
    if matches!(mode, mode::Mode::Auto) && !trail.help.is_empty() {
        let help = "outside tests: call `Repo::connect(url)` when the application starts";
        trail.help.push(help);
    }
    Error::Ownership {
        subject,
        trail: Box::new(trail),
    }
}
