//! What the registry decides, case by case and against a naive model.

use super::{
    ActorId, Checkin, Checkout, Mode, ModeChange, Registry, RepoId, Role, Target, Ticket, Use,
};
use crate::owner::OwnerId;
use std::borrow::Cow;
use std::num::NonZeroU64;

mod actors;
mod checkouts;
mod history;
mod mode_changes;
mod programs;
mod steps;
mod tasks;

/// Tasks are numbers; what is kept for an owner is its id once more, so that an answer shows whose it is.
type Tested = Registry<u8, OwnerId>;

const A: OwnerId = owner(1);
const B: OwnerId = owner(2);
const C: OwnerId = owner(3);

const MAIN: RepoId = repo("default", "sqlite");
/// Of the same name: only both together name a database.
const PG: RepoId = repo("default", "postgres");
const LEDGER: RepoId = repo("ledger", "sqlite");

const fn owner(number: u64) -> OwnerId {
    OwnerId(NonZeroU64::new(number).expect("owners are counted from 1"))
}

const fn repo(name: &'static str, database: &'static str) -> RepoId {
    RepoId { name, database }
}

/// Three owners run, no suite does.
fn three() -> Tested {
    let mut registry = Tested::new();
    for id in [A, B, C] {
        registry.start(id, id);
    }
    registry
}

fn actor(name: &'static str) -> Target<u8> {
    Target::Actor(Cow::Borrowed(name))
}

impl Tested {
    /// The ticket of an open session. Asked as an heir asks, which never opens one.
    fn ticket(&mut self, id: OwnerId, repo: RepoId) -> Option<Ticket> {
        self.checkout(id, Role::Heir, repo)
            .and_then(|(_, ticket)| ticket)
    }

    fn opened(&mut self, id: OwnerId, repo: RepoId) -> Ticket {
        match self.use_of(id, repo) {
            Use::Opens(ticket) => ticket,
            other => panic!("the first use opens a session, but this found {other:?}"),
        }
    }

    fn checked_out(&mut self, id: OwnerId, repo: RepoId) -> Ticket {
        match self.checkout(id, Role::Owner, repo) {
            Some((Checkout::New, Some(ticket))) => ticket,
            other => panic!("a new session, not {other:?}"),
        }
    }

    fn gave_back(&mut self, id: OwnerId, repo: RepoId) -> Ticket {
        match self.checkin(id, Role::Owner, repo) {
            (Checkin::Ok, Some(ticket)) => ticket,
            other => panic!("the session that it had, not {other:?}"),
        }
    }

    fn shared(&mut self, id: OwnerId, repo: RepoId) -> Ticket {
        let ticket = self.opened(id, repo);
        let (answer, _) = self.set_mode(repo, Mode::Shared(id), Role::Owner);
        assert_eq!(answer, ModeChange::Ok);
        ticket
    }

    fn allowed_actor(&self, actor: ActorId) -> Option<OwnerId> {
        self.allowed(None, Some(actor)).copied()
    }

    fn allowed_task(&self, task: u8) -> Option<OwnerId> {
        self.allowed(Some(task), None).copied()
    }
}
