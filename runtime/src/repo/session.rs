//! An owner's sessions: opened on first use, one per repo, given back together at the end.

use crate::error::{Error, Subject};
use crate::isolation::{Checkin, Fixture, Isolate, Lease, Schema, Tenant, Verdict};
use crate::owner::Owner;
use sqlx::Pool;
use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The name of [`Repo::new`](crate::Repo::new)'s database.
pub(crate) const DEFAULT: &str = "default";

/// What an owner holds: attached to it by this room.
#[derive(Default)]
pub(crate) struct Sessions {
    /// How the default repo's session starts, from the test's attribute.
    setup: OnceLock<Setup>,
    open: Mutex<Vec<Slot>>,
}

/// How a test wants its default repo.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The directory of the test's package.
    pub(crate) package: String,
    /// Named on the attribute; wins over a repo's own.
    pub(crate) named: Option<Schema>,
    /// When nobody names one.
    pub(crate) fallback: Schema,
    /// Run in order, once, when the session opens.
    pub(crate) fixtures: Vec<Fixture>,
}

/// One session, of a type that only its repo knows.
struct Slot {
    repo: &'static str,
    database: TypeId,
    session: Arc<dyn AnySession>,
}

trait AnySession: Any + Send + Sync {
    fn checkin(&self, verdict: Verdict, patience: Duration) -> Closing<'_>;
}

type Closing<'a> = Pin<Box<dyn Future<Output = Checkin> + Send + 'a>>;

struct Session<DB: Isolate> {
    lease: OnceCell<DB::Lease>,
}

impl<DB: Isolate> AnySession for Session<DB> {
    fn checkin(&self, verdict: Verdict, patience: Duration) -> Closing<'_> {
        Box::pin(async move {
            match self.lease.get() {
                Some(lease) => lease.checkin(verdict, patience).await,
                None => Checkin::default(),
            }
        })
    }
}

impl Sessions {
    /// Says how the default repo's session starts. The harness does this before anything of the test runs.
    pub(crate) fn set_up(&self, setup: Setup) {
        self.setup.get_or_init(|| setup);
    }

    /// The session of a repo, which may not be open yet. Asked under the lock under which [`checkin_all`] takes them:
    /// whoever comes later finds that the owner has begun to end.
    fn slot<DB: Isolate>(
        &self,
        owner: &Owner,
        repo: &'static str,
    ) -> Result<Arc<Session<DB>>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        owner.require_running(Subject::Repo(repo), None)?;
        let database = TypeId::of::<DB>();
        let found = open
            .iter()
            .find(|slot| slot.repo == repo && slot.database == database)
            .map(|slot| Arc::clone(&slot.session));
        let session = found.unwrap_or_else(|| {
            let session: Arc<dyn AnySession> = Arc::new(Session::<DB> {
                lease: OnceCell::new(),
            });
            open.push(Slot {
                repo,
                database,
                session: Arc::clone(&session),
            });
            session
        });
        let session: Arc<dyn Any + Send + Sync> = session;
        Ok(session.downcast().unwrap_or_else(|_| {
            unreachable!("a slot is found by its database's type: heirloom's bug")
        }))
    }

    fn setup_of(&self, repo: &'static str, own: Option<Schema>) -> (Schema, Vec<Fixture>) {
        let setup = self.setup.get().filter(|_| repo == DEFAULT);
        let Some(setup) = setup else {
            return (own.unwrap_or(Schema::Empty), Vec::new());
        };
        let schema = setup.named.clone().or(own);
        (
            schema.unwrap_or_else(|| setup.fallback.clone()),
            setup.fixtures.clone(),
        )
    }
}

/// The owner's pool on a repo; opens the session if this is its first use.
pub(crate) async fn pool<DB: Isolate>(
    owner: Owner,
    repo: &'static str,
    own: Option<Schema>,
) -> Result<Pool<DB>, Error> {
    let sessions: &Sessions = owner.attachment();
    let session = sessions.slot::<DB>(&owner, repo)?;
    let lease = session
        .lease
        .get_or_try_init(|| open::<DB>(&owner, sessions, repo, own.clone()))
        .await?;
    // It may have ended meanwhile; then this session was not given back, and goes when it is dropped here.
    owner.require_running(Subject::Repo(repo), None)?;
    let named = sessions
        .setup
        .get()
        .is_some_and(|setup| setup.named.is_some());
    if let Some(own) = own.filter(|_| !(named && repo == DEFAULT)) {
        require_same::<DB>(&owner, repo, lease, &own).await?;
    }
    Ok(lease.pool().clone())
}

async fn open<DB: Isolate>(
    owner: &Owner,
    sessions: &Sessions,
    repo: &'static str,
    own: Option<Schema>,
) -> Result<DB::Lease, Error> {
    let (schema, fixtures) = sessions.setup_of(repo, own);
    let package = sessions.setup.get().map(|setup| setup.package.clone());
    let tenant = Tenant {
        package: package.unwrap_or_default(),
        repo,
        name: owner.name().to_owned(),
    };
    let lease = DB::checkout(tenant, &schema).await?;
    for fixture in fixtures {
        if let Err(source) = DB::run_fixture(lease.pool(), fixture).await {
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

/// How long a session whose fixture failed may take to close. Nobody else has its pool yet.
const FIXTURE_PATIENCE: Duration = Duration::from_secs(5);

/// One database cannot have two schemas: a repo that names another one than the session was opened with is told so.
async fn require_same<DB: Isolate>(
    owner: &Owner,
    repo: &'static str,
    lease: &DB::Lease,
    own: &Schema,
) -> Result<(), Error> {
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

/// Gives back every session of an owner, whatever the first ones say.
pub(crate) async fn checkin_all(
    owner: &Owner,
    verdict: Verdict,
    patience: Duration,
) -> Vec<Checkin> {
    let sessions: &Sessions = owner.attachment();
    let open = std::mem::take(&mut *sessions.open.lock().unwrap_or_else(PoisonError::into_inner));
    let mut done = Vec::with_capacity(open.len());
    for slot in open {
        done.push(slot.session.checkin(verdict, patience).await);
    }
    done
}
