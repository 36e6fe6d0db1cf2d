//! One session of an owner on a repo: opened once, used by many, taken once.

use super::explained::Explained;
use super::user::User;
use crate::alarm::Due;
use crate::error::{Asker, BoxError, Error, Place, SessionView, Subject, Taken, Why};
use crate::isolation::{Closed, Held, Isolation, IsolationLevel, Lease, Verdict};
use crate::owner::{DIRECTORY, Gate, Owner, OwnerId, Pass, RepoId, Ticket};
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How a session is wanted; what is not said is decided by the test, then by the repo.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) sandbox: Option<bool>,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) level: Option<IsolationLevel>,
    pub(crate) limit: Option<Duration>,
}

impl Terms {
    /// What is not said here is as said there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            sandbox: self.sandbox.or(other.sandbox),
            isolation: self.isolation.or(other.isolation),
            level: self.level.or(other.level),
            limit: self.limit.or(other.limit),
        }
    }
}

/// How long an owner may have a session, if nobody says otherwise. Ecto's default.
const OWNERSHIP_TIMEOUT: Duration = Duration::from_mins(2);

/// What is known of a session from its start.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(super) owner: OwnerId,
    pub(super) owner_name: String,
    pub(super) started_at: Place,
    pub(super) repo: RepoId,
    pub(super) ticket: Ticket,
    pub(super) terms: Terms,
    pub(super) opened_by: User,
}

impl Facts {
    pub(super) fn sandbox(&self) -> bool {
        self.terms.sandbox.unwrap_or(true)
    }

    /// For how long it may be had, once it is open.
    pub(super) fn limit(&self) -> Duration {
        self.terms.limit.unwrap_or(OWNERSHIP_TIMEOUT)
    }
}

/// Why nobody gets into a session any more.
#[derive(Clone, Debug)]
pub(crate) enum Gone {
    /// It was opened and taken.
    Taken(Arc<Taken>),
    /// It could not be opened: whoever waited for it asks for another.
    NotOpened,
}

#[derive(Debug)]
pub(crate) struct Session<L> {
    facts: Facts,
    lease: OnceCell<L>,
    gate: Gate<Gone, User>,
}

/// A session of whatever database.
pub(crate) trait AnySession: Any + Due {
    fn facts(&self) -> &Facts;

    fn gate(&self) -> &Gate<Gone, User>;

    /// Cuts short whatever is going on in it.
    fn revoke(&self);

    /// Whether somebody has a connection of it.
    fn is_held(&self) -> bool;

    /// What its users wait for now; see [`Lease::in_flight`].
    fn in_flight(&self) -> Waits<'_>;

    /// What its owner holds itself, if that is why somebody got this error; see [`Lease::held`].
    fn held(&self, error: &sqlx::Error) -> Option<Held>;

    fn checkin(&self, verdict: Verdict, patience: Duration) -> Closing<'_>;

    /// Where other processes find it, see [`Lease::url`]; `None` unless it is open.
    fn url(&self) -> Found<'_>;

    fn view(&self) -> SessionView;
}

pub(crate) type Closing<'a> = Pin<Box<dyn Future<Output = Closed> + Send + 'a>>;

pub(crate) type Found<'a> =
    Pin<Box<dyn Future<Output = Option<Result<String, Error>>> + Send + 'a>>;

pub(crate) type Waits<'a> = Pin<Box<dyn Future<Output = Vec<String>> + Send + 'a>>;

impl<L: Lease> Session<L> {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            lease: OnceCell::new(),
            gate: Gate::open(),
        }
    }

    /// What was opened.
    pub(super) fn lease(&self) -> Option<&L> {
        self.lease.get()
    }

    /// Who uses it now; if nobody does, who used it last.
    fn users(&self) -> Vec<String> {
        let (inside, last) = self.gate.users();
        let verb = if inside.is_empty() {
            "last used"
        } else {
            "used"
        };
        let last = last.filter(|_| inside.is_empty());
        let users = inside.into_iter().chain(last);
        users
            .map(|user| format!("{verb} by {}", user.asker().who()))
            .collect()
    }

    /// Its uses that go on through the repo: all that is known of an application's own pool.
    fn uses(&self) -> Vec<String> {
        let repo = self.facts.repo.name;
        let inside = self.gate.users().0.into_iter();
        inside
            .map(|user| format!("repo `{repo}` is in use by {}", user.asker().who()))
            .collect()
    }

    /// Opens it, unless somebody has.
    pub(super) async fn opened<F, Fut>(&self, open: F) -> Result<&L, Error>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<L, Error>>,
    {
        self.lease.get_or_try_init(open).await
    }
}

impl<L: Lease> Due for Session<L> {
    /// Its time is up.
    fn due(self: Arc<Self>) {
        let session: Arc<dyn AnySession> = self;
        session.expire();
    }
}

impl<L: Lease> AnySession for Session<L> {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn gate(&self) -> &Gate<Gone, User> {
        &self.gate
    }

    fn is_held(&self) -> bool {
        let connections = self.lease.get().map(Lease::connections);
        connections.is_some_and(|(open, idle)| open as usize > idle)
    }

    fn held(&self, error: &sqlx::Error) -> Option<Held> {
        self.lease.get()?.held(error)
    }

    fn revoke(&self) {
        if let Some(lease) = self.lease.get() {
            lease.revoke();
        }
    }

    fn in_flight(&self) -> Waits<'_> {
        Box::pin(async move {
            if let Some(lease) = self.lease.get() {
                let mut calls = lease.in_flight().await;
                if calls.is_empty() && !self.facts.sandbox() {
                    calls = self.uses();
                }
                return calls;
            }
            // Taken before it was open, it is never going to be.
            if self.gate.closed().is_some() {
                return Vec::new();
            }
            let (repo, opener) = (self.facts.repo.name, &self.facts.opened_by);
            let (asker, lasts) = (opener.asker(), opener.since.elapsed());
            let who = asker.who();
            vec![format!(
                "the session on repo `{repo}` is being opened, for {lasts:.1?}, by {who}"
            )]
        })
    }

    fn checkin(&self, verdict: Verdict, patience: Duration) -> Closing<'_> {
        Box::pin(async move {
            // One that is just being opened is waited for, so that nothing comes into being afterwards.
            let opened = self.lease.get_or_try_init(async || Err(()));
            let Ok(Ok(lease)) = tokio::time::timeout(patience, opened).await else {
                return Closed::default();
            };
            let mut closed = lease.checkin(verdict, patience).await;
            for error in &mut closed.errors {
                if let Error::StillHeld { what, .. } = error {
                    what.extend(self.users().iter().map(|user| format!(", {user}")));
                }
            }
            closed
        })
    }

    fn url(&self) -> Found<'_> {
        Box::pin(async move {
            let lease = self.lease.get().filter(|_| self.gate.closed().is_none())?;
            Some(lease.url().await)
        })
    }

    fn view(&self) -> SessionView {
        let state = match (self.gate.closed(), self.lease.get()) {
            (Some(_), _) => "taken away".to_owned(),
            (None, None) => "being opened".to_owned(),
            (None, Some(lease)) => {
                let (open, idle) = lease.connections();
                let connections = if open == 1 {
                    "connection"
                } else {
                    "connections"
                };
                let kept = if self.facts.sandbox() {
                    ""
                } else {
                    "outside the sandbox, "
                };
                format!("{kept}{open} {connections}, {idle} idle")
            }
        };
        SessionView {
            repo: self.facts.repo.name,
            database: self.facts.repo.database,
            state,
            held: self.facts.opened_by.since.elapsed(),
            users: self.users(),
        }
    }
}

impl dyn AnySession {
    /// Takes it from its users, who are told why. `false` when it was taken before.
    pub(super) fn take(&self, why: Why, by: Option<Asker>) -> bool {
        let facts = self.facts();
        let taken = self.gate().close(|inside, last| {
            let in_use = !inside.is_empty();
            let users = inside.into_iter().chain(last.filter(|_| !in_use));
            Gone::Taken(Arc::new(Taken {
                owner: facts.owner_name.clone(),
                started_at: facts.started_at,
                why,
                by,
                opened_by: facts.opened_by.asker(),
                held: facts.opened_by.since.elapsed(),
                at: Instant::now(),
                used_by: users.map(|user| user.asker()).collect(),
                in_use,
            }))
        });
        if let Some(Gone::Taken(taken)) = &taken {
            let held = taken.in_use || self.is_held();
            self.revoke();
            say(facts.repo.name, taken, held);
        }
        taken.is_some()
    }

    /// Its time is up: taken away, if it still is what its owner has.
    pub(super) fn expire(&self) {
        let facts = self.facts();
        let (owner, repo, ticket) = (facts.owner, facts.repo, facts.ticket);
        if DIRECTORY.write(|registry| registry.take(owner, repo, ticket)) {
            self.take(Why::TimedOut(facts.limit()), None);
        }
    }

    /// The error for somebody who comes too late.
    pub(super) fn ended(
        &self,
        taken: Arc<Taken>,
        asked_at: Option<Place>,
        source: Option<BoxError>,
    ) -> Error {
        Error::SessionEnded {
            repo: self.facts().repo.name,
            taken,
            asker: Box::new(Asker::now(asked_at)),
            source,
        }
    }
}

/// Whoever holds a connection itself gets only the database's error, so the reason is said here. A test's subscriber
/// writes errors by default.
fn say(repo: &str, taken: &Taken, held: bool) {
    if matches!(taken.why, Why::TimedOut(_)) {
        tracing::error!(target: "heirloom", "the session on repo `{repo}` was taken away\n{taken}");
    } else if held {
        tracing::warn!(target: "heirloom", "the session on repo `{repo}` was taken away\n{taken}");
    }
}

/// Somebody is using a session until this is dropped.
pub(crate) struct InUse {
    session: Arc<dyn AnySession>,
    owner: Owner,
    pass: Pass,
    asked_at: Option<Place>,
}

impl InUse {
    pub(super) fn enter(
        session: Arc<dyn AnySession>,
        owner: Owner,
        asked_at: Option<Place>,
    ) -> Result<Self, (Arc<dyn AnySession>, Gone)> {
        match session.gate().enter(User::now(asked_at)) {
            Ok(pass) => Ok(Self {
                session,
                owner,
                pass,
                asked_at,
            }),
            Err(gone) => Err((session, gone)),
        }
    }

    /// What somebody is told whose statement failed because the session was taken away meanwhile. Errors that have
    /// another cause stay what they are.
    pub(crate) fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        use sqlx::Error as E;
        let may_be_ours = matches!(
            error,
            E::Database(_)
                | E::Io(_)
                | E::Protocol(_)
                | E::PoolClosed
                | E::PoolTimedOut
                | E::WorkerCrashed
        );
        if !may_be_ours {
            return error;
        }
        if let Some(Gone::Taken(taken)) = self.session.gate().closed() {
            return self
                .session
                .ended(taken, self.asked_at, Some(error.into()))
                .into();
        }
        let subject = Subject::Repo(self.session.facts().repo.name);
        match self.owner.require_running(subject, self.asked_at) {
            Ok(()) => self.in_vain(error),
            Err(ended) => ended.into(),
        }
    }

    /// The same, for whoever waited for what the owner holds itself.
    fn in_vain(&self, error: sqlx::Error) -> sqlx::Error {
        let Some(held) = self.session.held(&error) else {
            return error;
        };
        let explained = |source: BoxError| Error::HeldByItself {
            repo: self.session.facts().repo.name,
            what: held.what,
            holders: held.holders,
            asker: Box::new(Asker::now(self.asked_at)),
            help: held.help,
            source,
        };
        match error {
            // Applications look into these, to try again.
            sqlx::Error::Database(inner) => {
                let text = inner.to_string();
                let why = explained(text.into());
                sqlx::Error::Database(Box::new(Explained::of(inner, why)))
            }
            other => explained(other.into()).into(),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.session.gate().leave(&self.pass);
    }
}
