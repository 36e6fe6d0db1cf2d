//! Opens a session on a real database: which schema, which fixtures, for whom.

use super::Supported;
use super::session::{AnySession as _, InUse, Session};
use super::sessions::{self, Ask, Sessions, Setup};
use crate::clock::Clock;
use crate::error::{Error, Subject};
use crate::isolation::{Fixture, Isolate, Lease as _, MAIN_REPO, Schema, Tenant, Verdict, Wanted};
use crate::owner::{Checkout, Owner, RepoId, Role};
use sqlx::Pool;
use std::sync::Arc;
use std::time::Duration;

/// Somebody's wish for a repo of this database.
pub(crate) struct Wish<DB: Supported> {
    pub(crate) ask: Ask,
    /// The repo's own schema.
    pub(crate) own: Option<Schema>,
    /// The application's pool, if the repo was given one.
    pub(crate) given: Option<Pool<DB>>,
}

impl<DB: Supported> Wish<DB> {
    /// The database of a test's pool argument.
    pub(crate) fn of_argument() -> Self {
        Self {
            ask: Ask {
                repo: repo_id::<DB>(MAIN_REPO),
                terms: super::session::Terms::default(),
                config: super::session::Terms::default(),
                asked_at: None,
            },
            own: None,
            given: None,
        }
    }
}

pub(crate) const fn repo_id<DB: Supported>(name: &'static str) -> RepoId {
    RepoId {
        name,
        database: DB::NAME,
    }
}

/// The owner's pool on a repo; opens the session if this is its first use. It is in use until the second is dropped.
pub(crate) async fn enter<DB: Supported>(
    owner: Owner,
    wish: &Wish<DB>,
) -> Result<(Pool<DB>, InUse), Error> {
    owner.require_running(Subject::Repo(wish.ask.repo.name), wish.ask.asked_at)?;
    let (session, in_use) = sessions::enter(&owner, &wish.ask, |session| {
        open::<DB>(&owner, wish, session)
    })
    .await?;
    let Some(lease) = session.lease() else {
        unreachable!("a session is entered only when it is open: heirloom's bug");
    };
    require_same::<DB>(&owner, wish, lease).await?;
    Ok((lease.handle().clone(), in_use))
}

/// Where others find the data of the owner's session on a repo; opens the session if this is its first use.
pub(crate) async fn url<DB: Supported>(owner: Owner, wish: &Wish<DB>) -> Result<String, Error> {
    owner.require_running(Subject::Repo(wish.ask.repo.name), wish.ask.asked_at)?;
    let (session, _in_use) = sessions::enter(&owner, &wish.ask, |session| {
        open::<DB>(&owner, wish, session)
    })
    .await?;
    let Some(lease) = session.lease() else {
        unreachable!("a session is entered only when it is open: heirloom's bug");
    };
    lease.url().await
}

/// Opens a session for the owner, if it has none.
pub(crate) async fn checkout<DB: Supported>(
    owner: &Owner,
    role: Role,
    wish: Wish<DB>,
) -> Result<Checkout, Error> {
    sessions::checkout(owner, role, &wish.ask, |session| {
        open::<DB>(owner, &wish, session)
    })
    .await
}

async fn open<DB: Supported>(
    owner: &Owner,
    wish: &Wish<DB>,
    session: Arc<Session<DB::Lease>>,
) -> Result<DB::Lease, Error> {
    let repo = wish.ask.repo.name;
    let setup = owner.attachment::<Sessions>().setup();
    let (schema, fixtures) = start_of::<DB>(setup, repo, wish.own.clone());
    let tenant = Tenant {
        package: setup.map_or_else(String::new, |setup| setup.package.clone()),
        repo,
        name: owner.name().to_owned(),
        token: owner.token().to_string(),
    };
    let facts = session.facts();
    let clock = owner.attachment::<Sessions>().clock();
    // Nothing in here has to do with the test's time.
    let _hold = clock.map(Clock::hold);
    let wanted = Wanted {
        schema,
        sandbox: facts.sandbox(),
        given: wish.given.clone(),
        isolation: facts.terms.isolation,
        level: facts.terms.level,
        here: owner.attachment::<Sessions>().is_here(),
        clock: clock.cloned(),
        limit: facts.terms.limit,
    };
    // What is outside the sandbox is not a test's to fill.
    let fixtures = if facts.sandbox() { fixtures } else { &[] };
    let lease = DB::checkout(tenant, wanted).await?;
    for fixture in fixtures {
        if let Err(source) = DB::run_fixture(lease.handle(), *fixture).await {
            let left = lease.checkin(Verdict::Keep, FIXTURE_PATIENCE).await;
            return Err(Error::Fixture {
                name: fixture.name,
                owner: owner.name().to_owned(),
                kept: left.kept,
                source: Box::new(source),
            });
        }
    }
    Ok(lease)
}

/// What a session on a repo starts with.
fn start_of<'a, DB: sqlx::Database>(
    setup: Option<&'a Setup>,
    repo: &str,
    own: Option<Schema>,
) -> (Schema, &'a [Fixture]) {
    match setup.filter(|_| repo == MAIN_REPO) {
        None => (own.unwrap_or(Schema::Empty), &[]),
        Some(setup) => {
            let schema = setup.named.clone().or(own);
            let schema = schema.unwrap_or_else(|| setup.fallback.clone().of::<DB>());
            (schema, &setup.fixtures)
        }
    }
}

/// How long a session whose fixture failed may take to close. Nobody else has its pool yet.
const FIXTURE_PATIENCE: Duration = Duration::from_secs(5);

/// One database cannot have two schemas: a repo that names another one than the session was opened with is told so.
async fn require_same<DB: Isolate + Supported>(
    owner: &Owner,
    wish: &Wish<DB>,
    lease: &DB::Lease,
) -> Result<(), Error> {
    let repo = wish.ask.repo.name;
    let setup = owner.attachment::<Sessions>().setup();
    let named = setup.is_some_and(|setup| setup.named.is_some());
    let Some(own) = wish.own.as_ref().filter(|_| !(named && repo == MAIN_REPO)) else {
        return Ok(());
    };
    let (hash, origin) = lease.schema();
    if DB::schema_hash(own).await? == hash {
        return Ok(());
    }
    Err(Error::MigrationsDiffer {
        repo,
        owner: owner.name().to_owned(),
        open: origin.to_owned(),
        asked: own.to_string(),
    })
}
