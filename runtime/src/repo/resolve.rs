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
use crate::owner::{self, Life, Owner, Role, last_of_repo};
use sqlx::Pool;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

/// A database that [`Repo`] supports.
pub trait Supported: Isolate {}

#[cfg(feature = "postgres")]
impl Supported for sqlx::Postgres {}

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
            isolation: None,
            level: None,
            limit: None,
        },
        orphans: OrphanPolicy::Error,
    };

    pub(super) const fn with_limit(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    pub(super) const fn with_orphans(mut self, policy: OrphanPolicy) -> Self {
        self.orphans = policy;
        self
    }
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
    Owner {
        owner: Owner,
        /// By an allowance or the repo's mode: the code itself is somebody else's, or nobody's.
        lent: bool,
    },
    Plain(Pool<DB>),
    /// It waits for an owner.
    Orphan,
}

/// Uses the repo's pool here and now. The owner is looked up here, synchronously: whoever polls the future later may be
/// somebody else. What lives on when the owner that lent it a session ends is asked to wait for the next, if the repo
/// lets orphans wait.
pub(super) fn using<DB, T, F, Fut>(
    repo: &Repo<DB>,
    asked_at: Option<&'static Location<'static>>,
    job: F,
) -> impl Future<Output = Result<(T, Pass), sqlx::Error>> + Send + use<DB, T, F, Fut>
where
    DB: Supported,
    T: Send,
    F: Fn(Pool<DB>) -> Fut + Send,
    Fut: Future<Output = Result<T, sqlx::Error>> + Send,
{
    let asked_at = asked_at.map(Place::from);
    let wish = repo.wish(Terms::default(), asked_at);
    let pause = repo.config.orphans == OrphanPolicy::Pause;
    let found = whose(&wish, pause);
    async move {
        let mut found = found?;
        loop {
            let (owner, lent) = match found {
                Whose::Orphan => {
                    found = adopted(&wish).await?;
                    continue;
                }
                Whose::Plain(pool) => return Ok((job(pool).await?, Pass(None))),
                Whose::Owner { owner, lent } => (owner, lent),
            };
            let failed = match opening::enter(owner.clone(), &wish).await {
                Ok((pool, in_use)) => match job(pool).await {
                    Ok(done) => return Ok((done, Pass(Some(in_use)))),
                    Err(error) => in_use.explain(error),
                },
                Err(error) => error.into(),
            };
            if !(pause && lent && owner.life() != Life::Running) {
                return Err(failed);
            }
            found = Whose::Orphan;
        }
    }
}

fn whose<DB: Supported>(wish: &Wish<DB>, pause: bool) -> Result<Whose<DB>, Error> {
    let lent_by = |owner: Owner| match owner.life() {
        Life::Running => Whose::Owner { owner, lent: true },
        _ if pause => Whose::Orphan,
        _ => Whose::Owner { owner, lent: true },
    };
    match context::current_role() {
        Some((owner, Role::Allowed)) => return Ok(lent_by(owner)),
        Some((owner, _)) => return Ok(Whose::Owner { owner, lent: false }),
        None => {}
    }
    let mode = mode::of(wish.ask.repo);
    match (mode, &wish.given) {
        (mode::Mode::Shared(owner), _) => Ok(lent_by(owner)),
        (mode::Mode::Auto, Some(pool)) => Ok(Whose::Plain(pool.clone())),
        (mode::Mode::Manual, _) if pause => Ok(Whose::Orphan),
        (mode, _) => Err(nobody(wish, &mode)),
    }
}

/// Waits until somebody owns the code that asks, or everybody may use the repo.
async fn adopted<DB: Supported>(wish: &Wish<DB>) -> Result<Whose<DB>, Error> {
    let (repo, asked_at) = (wish.ask.repo.name, wish.ask.asked_at);
    let _seen = owner::paused(repo, Asker::now(asked_at));
    orphan::until_changed(|| match whose(wish, true) {
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
    if matches!(mode, mode::Mode::Auto) {
        let help = "outside tests: call `Repo::connect(url)` when the application starts";
        trail.help.push(help);
    }
    Error::Ownership {
        subject,
        trail: Box::new(trail),
    }
}
