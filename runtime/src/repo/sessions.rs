//! An owner's sessions, one for each repo it uses: found, opened, taken and given back together at the end.

use super::session::{AnySession, Closing, Facts, Gone, InUse, Session, Terms};
use super::user::User;
use crate::alarm;
use crate::clock::Clock;
use crate::error::{Asker, Error, Place, SessionView, Subject, Why};
use crate::isolation::{Closed, Fixture, Lease, Schema, Verdict};
use crate::owner::{
    Attached, Checkin, Checkout, DIRECTORY, Evicted, Owner, RepoId, Role, Ticket, Use,
};
use std::any::Any;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// What an owner holds: attached to it by this room.
#[derive(Default)]
pub(crate) struct Sessions {
    setup: OnceLock<Setup>,
    /// The owner's own runtime, if it has one.
    home: OnceLock<tokio::runtime::Id>,
    /// Its runtime's clock, if that was started paused.
    clock: OnceLock<Clock>,
    /// The last session of each repo, also when it is gone: it knows why.
    slots: Mutex<Vec<Arc<dyn AnySession>>>,
}

/// How an owner wants its sessions.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The directory of the test's package.
    pub(crate) package: String,
    /// For the default repo; named on the attribute, wins over a repo's own.
    pub(crate) named: Option<Schema>,
    /// For the default repo, when nobody names one.
    pub(crate) fallback: Schema,
    /// For the default repo: run in order when a session opens.
    pub(crate) fixtures: Vec<Fixture>,
    /// For all its repos.
    pub(crate) terms: Terms,
}

impl Attached for Sessions {
    fn sessions(&self) -> Vec<SessionView> {
        let slots = self.clone_of_slots();
        slots.iter().map(|session| session.view()).collect()
    }
}

/// Somebody asks for a session on a repo.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) repo: RepoId,
    /// Asked for here and now.
    pub(crate) terms: Terms,
    /// What the repo says of itself; the owner's own terms come first.
    pub(crate) config: Terms,
    pub(crate) asked_at: Option<Place>,
}

impl Sessions {
    /// Says how the owner wants its sessions, before anything uses them.
    pub(crate) fn set_up(&self, setup: Setup) {
        self.setup.get_or_init(|| setup);
    }

    /// Whether the owner has opened a session on its default repo on such a database.
    #[cfg(feature = "sqlite")]
    pub(crate) fn uses(&self, database: &str) -> bool {
        let mut sessions = self.clone_of_slots().into_iter();
        sessions.any(|session| {
            let repo = session.facts().repo;
            repo.name == crate::isolation::MAIN_REPO && repo.database == database
        })
    }

    /// Says which runtime is the owner's own.
    pub(crate) fn set_home(&self, home: tokio::runtime::Id) {
        self.home.get_or_init(|| home);
    }

    /// Says that the clock of the owner's own runtime is paused.
    pub(crate) fn set_clock(&self, clock: Clock) {
        self.clock.get_or_init(|| clock);
    }

    pub(super) fn clock(&self) -> Option<&Clock> {
        self.clock.get()
    }

    /// Whether the current runtime is the owner's own.
    pub(super) fn is_here(&self) -> bool {
        let here = tokio::runtime::Handle::try_current().map(|handle| handle.id());
        here.is_ok_and(|here| self.home.get() == Some(&here))
    }

    pub(crate) fn setup(&self) -> Option<&Setup> {
        self.setup.get()
    }

    pub(super) fn clone_of_slots(&self) -> Vec<Arc<dyn AnySession>> {
        self.slots().clone()
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<dyn AnySession>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session to use, which may not be open yet. Asked under the lock under which [`checkin_all`] takes them: whoever
    /// comes later finds that the owner has begun to end.
    fn to_use<L: Lease>(&self, owner: &Owner, ask: &Ask) -> Result<Arc<Session<L>>, Error> {
        let mut slots = self.slots();
        owner.require_running(Subject::Repo(ask.repo.name), ask.asked_at)?;
        let found = slots
            .iter()
            .find(|session| session.facts().repo == ask.repo);
        // The look that every use takes; the registry is asked only when it has something to decide.
        if let Some(session) = found
            && session.gate().closed().is_none()
        {
            return Ok(of_type(Arc::clone(session)));
        }
        match DIRECTORY.write(|registry| registry.use_of(owner.id(), ask.repo)) {
            Use::Opens(ticket) => Ok(self.add(&mut slots, owner, ask, ticket)),
            Use::Open(_) | Use::GivenBack => Err(gone(found, ask)),
            Use::Ended => Err(ended(owner, ask)),
        }
    }

    fn add<L: Lease>(
        &self,
        slots: &mut Vec<Arc<dyn AnySession>>,
        owner: &Owner,
        ask: &Ask,
        ticket: Ticket,
    ) -> Arc<Session<L>> {
        let terms = self
            .setup()
            .map_or_else(Terms::default, |setup| setup.terms);
        let session = Arc::new(Session::new(Facts {
            owner: owner.id(),
            owner_name: owner.name().to_owned(),
            started_at: owner.started_at(),
            repo: ask.repo,
            ticket,
            terms: ask.terms.or(terms).or(ask.config),
            opened_by: User::now(ask.asked_at),
        }));
        slots.retain(|session| session.facts().repo != ask.repo);
        slots.push(Arc::clone(&session) as Arc<dyn AnySession>);
        session
    }

    /// A session that could not be opened is forgotten: the next use tries again, on terms of its own.
    fn not_opened(&self, session: &dyn AnySession) {
        let Facts {
            owner,
            repo,
            ticket,
            ..
        } = *session.facts();
        let mut slots = self.slots();
        // If it was taken meanwhile, it stays: whoever took it says why.
        if DIRECTORY.write(|registry| registry.not_opened(owner, repo, ticket)) {
            session.gate().close(|_, _| Gone::NotOpened);
            slots.retain(|slot| slot.facts().ticket != ticket);
        }
    }

    /// The session of a checkout that is to be taken from the owner, now out of reach for its users.
    fn take(&self, ticket: Ticket, why: Why, by: Option<Asker>) -> Option<Arc<dyn AnySession>> {
        let slots = self.slots();
        let found = slots
            .iter()
            .find(|session| session.facts().ticket == ticket);
        let session = Arc::clone(found?);
        drop(slots);
        session.take(why, by);
        Some(session)
    }
}

fn of_type<L: Lease>(session: Arc<dyn AnySession>) -> Arc<Session<L>> {
    let session: Arc<dyn Any + Send + Sync> = session;
    session.downcast().unwrap_or_else(|_| {
        unreachable!("a session is found by its kind of database: heirloom's bug")
    })
}

fn gone(session: Option<&Arc<dyn AnySession>>, ask: &Ask) -> Error {
    match session.map(|session| (session, session.gate().closed())) {
        Some((session, Some(Gone::Taken(taken)))) => session.ended(taken, ask.asked_at, None),
        _ => unreachable!("a session that was given back knows why: heirloom's bug"),
    }
}

fn ended(owner: &Owner, ask: &Ask) -> Error {
    let subject = Subject::Repo(ask.repo.name);
    match owner.require_running(subject, ask.asked_at) {
        Err(error) => error,
        Ok(()) => unreachable!("the registry forgets owners that have ended: heirloom's bug"),
    }
}

/// Uses the owner's session on a repo; opens it if this is its first use.
pub(crate) async fn enter<L, F, Fut>(
    owner: &Owner,
    ask: &Ask,
    open: F,
) -> Result<(Arc<Session<L>>, InUse), Error>
where
    L: Lease,
    F: Fn(Arc<Session<L>>) -> Fut,
    Fut: Future<Output = Result<L, Error>>,
{
    let sessions: &Sessions = owner.attachment();
    loop {
        let session = sessions.to_use::<L>(owner, ask)?;
        open_it(owner, ask, &session, &open).await?;
        // It may have ended meanwhile; then this session was not given back, and goes when it is dropped here.
        owner.require_running(Subject::Repo(ask.repo.name), ask.asked_at)?;
        let any = Arc::clone(&session) as Arc<dyn AnySession>;
        match InUse::enter(any, owner.clone(), ask.asked_at) {
            Ok(in_use) => return Ok((session, in_use)),
            Err((session, Gone::Taken(taken))) => {
                return Err(session.ended(taken, ask.asked_at, None));
            }
            // Somebody else had no luck in opening it; this one may.
            Err((_, Gone::NotOpened)) => {}
        }
    }
}

/// Opens it, unless somebody has. One that cannot be opened, or whose opening is dropped half way, is forgotten.
async fn open_it<L, F, Fut>(
    owner: &Owner,
    ask: &Ask,
    session: &Arc<Session<L>>,
    open: &F,
) -> Result<(), Error>
where
    L: Lease,
    F: Fn(Arc<Session<L>>) -> Fut,
    Fut: Future<Output = Result<L, Error>>,
{
    let sessions: &Sessions = owner.attachment();
    let open = || async {
        let opening = Opening(Some((sessions, &**session)));
        // Whoever takes it, or ends the owner, says so before asking for what is open: nothing comes after that.
        owner.require_running(Subject::Repo(ask.repo.name), ask.asked_at)?;
        if let Some(Gone::Taken(taken)) = session.gate().closed() {
            let session: &dyn AnySession = &**session;
            return Err(session.ended(taken, ask.asked_at, None));
        }
        let lease = open(Arc::clone(session)).await?;
        opening.done();
        let session = Arc::clone(session) as Arc<dyn AnySession>;
        // Never, if that is further off than time goes.
        if let Some(deadline) = Instant::now().checked_add(session.facts().limit()) {
            alarm::at(deadline, Arc::downgrade(&session) as _);
        }
        Ok(lease)
    };
    session.opened(open).await.map(drop)
}

/// A session that is being opened.
struct Opening<'a>(Option<(&'a Sessions, &'a dyn AnySession)>);

impl Opening<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some((sessions, session)) = self.0.take() {
            sessions.not_opened(session);
        }
    }
}

/// Opens a session on a repo for the owner, if it has none.
pub(crate) async fn checkout<L, F, Fut>(
    owner: &Owner,
    role: Role,
    ask: &Ask,
    open: F,
) -> Result<Checkout, Error>
where
    L: Lease,
    F: Fn(Arc<Session<L>>) -> Fut,
    Fut: Future<Output = Result<L, Error>>,
{
    let sessions: &Sessions = owner.attachment();
    let (checkout, session, before) = {
        let mut slots = sessions.slots();
        owner.require_running(Subject::Repo(ask.repo.name), ask.asked_at)?;
        let decided = DIRECTORY.write(|registry| registry.checkout(owner.id(), role, ask.repo));
        let (checkout, ticket) = decided.ok_or_else(|| ended(owner, ask))?;
        let found = slots
            .iter()
            .find(|session| session.facts().repo == ask.repo);
        let found = found.map(Arc::clone);
        match (checkout, ticket) {
            (Checkout::New, Some(ticket)) => {
                let session = sessions.add::<L>(&mut slots, owner, ask, ticket);
                (checkout, Some(session), found)
            }
            (Checkout::AlreadyOwner, _) => (checkout, found.map(of_type::<L>), None),
            _ => (checkout, None, None),
        }
    };
    if let (Some(before), Some(session)) = (before, &session) {
        // It was taken away when its time was up, and nobody has waited for its end yet. Until then there is no new one.
        let opening = Opening(Some((sessions, &**session)));
        close(vec![before]).await?;
        opening.done();
    }
    if let Some(session) = session {
        open_it(owner, ask, &session, &open).await?;
        if let Some(Gone::Taken(taken)) = session.gate().closed() {
            let session: &dyn AnySession = &*session;
            return Err(session.ended(taken, ask.asked_at, None));
        }
    }
    Ok(checkout)
}

/// How long a session that is taken from its users waits for them to let go.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Takes a checkout from its owner: its users are told. What they did is rolled back by [`close`].
pub(crate) fn take(
    owner: &Owner,
    evicted: Evicted,
    why: Why,
    by: Option<Asker>,
) -> Option<Arc<dyn AnySession>> {
    let sessions: &Sessions = owner.attachment();
    sessions.take(evicted.ticket, why, by)
}

/// The owner gives its session on a repo back: decided and out of reach in one step, so that no new checkout comes in
/// between. What was done in it is rolled back by [`close`].
pub(crate) fn give_back(
    owner: &Owner,
    role: Role,
    repo: RepoId,
    by: Asker,
) -> (Checkin, Option<Arc<dyn AnySession>>) {
    let sessions: &Sessions = owner.attachment();
    let slots = sessions.slots();
    let (checkin, ticket) = DIRECTORY.write(|registry| registry.checkin(owner.id(), role, repo));
    let session = ticket.and_then(|ticket| {
        let session = slots.iter().find(|one| one.facts().ticket == ticket)?;
        Some(Arc::clone(session))
    });
    drop(slots);
    if let Some(session) = &session {
        session.take(Why::CheckedIn, Some(by));
    }
    (checkin, session)
}

/// Waits until what was done in sessions that were taken is rolled back: in all of them at once.
pub(crate) async fn close(taken: Vec<Arc<dyn AnySession>>) -> Result<(), Error> {
    let closing = taken
        .iter()
        .map(|session| session.checkin(Verdict::RollBack, PATIENCE));
    let closed = join_all(closing).await;
    let event = "gave its session back";
    let help = "let go of it (await or drop it) before its session is given back or taken away";
    errors_of(closed, event, help)
        .into_iter()
        .next()
        .map_or(Ok(()), Err)
}

/// What went wrong, told for what was being done.
pub(crate) fn errors_of(
    closed: Vec<Closed>,
    doing: &'static str,
    remedy: &'static str,
) -> Vec<Error> {
    let mut errors = Vec::new();
    for closed in closed {
        let kept = closed.kept;
        for mut error in closed.errors {
            if let Error::StillHeld {
                event, help, what, ..
            } = &mut error
            {
                (*event, *help) = (doing, remedy);
                what.extend(kept.iter().map(|kept| format!(" (its data: {kept})")));
            }
            errors.push(error);
        }
    }
    errors
}

/// Waits for all of them together.
async fn join_all<'a>(closing: impl Iterator<Item = Closing<'a>>) -> Vec<Closed> {
    let mut closing: Vec<_> = closing.map(|one| (Some(one), Closed::default())).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (one, closed) in &mut closing {
            match one.as_mut().map(|one| one.as_mut().poll(cx)) {
                Some(Poll::Ready(done)) => (*one, *closed) = (None, done),
                Some(Poll::Pending) => pending = true,
                None => {}
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    closing.into_iter().map(|(_, closed)| closed).collect()
}

/// The database calls of an owner that are under way now, on all its repos: a line for each that a person can read.
///
/// Empty when nobody waits for a database. A call whose future has been polled once is among them until whoever waits for
/// its result is woken.
pub(crate) async fn in_flight(owner: &Owner) -> Vec<String> {
    let sessions: &Sessions = owner.attachment();
    let mut calls = Vec::new();
    for session in sessions.clone_of_slots() {
        calls.extend(session.in_flight().await);
    }
    calls
}

/// Where other processes find the sessions that an owner has open now, by repo.
pub(crate) async fn urls(owner: &Owner) -> Result<Vec<(RepoId, String)>, Error> {
    let sessions: &Sessions = owner.attachment();
    let mut urls = Vec::new();
    for session in sessions.clone_of_slots() {
        if let Some(url) = session.url().await {
            urls.push((session.facts().repo, url?));
        }
    }
    Ok(urls)
}

/// Lets go of every session of an owner, without waiting: what is in use goes when its users are done.
pub(crate) fn abandon(owner: &Owner) {
    let sessions: &Sessions = owner.attachment();
    let open = std::mem::take(&mut *sessions.slots());
    for session in open {
        session.revoke();
    }
}

/// Gives back every session of an owner, whatever the first ones say.
pub(crate) async fn checkin_all(
    owner: &Owner,
    verdict: Verdict,
    patience: Duration,
) -> Vec<Closed> {
    let sessions: &Sessions = owner.attachment();
    // They stay until all is done: whoever gives up waiting can still cut their users short.
    let open = sessions.clone_of_slots();
    let closing = open
        .iter()
        .map(|session| session.checkin(verdict, patience));
    let mut closed = join_all(closing).await;
    for (session, closed) in open.iter().zip(&mut closed) {
        if let Some(Gone::Taken(taken)) = session.gate().closed() {
            closed.taken = Some(taken);
        }
    }
    sessions.slots().clear();
    closed
}
