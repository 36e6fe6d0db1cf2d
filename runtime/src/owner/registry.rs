//! Who owns what, in which mode, and who is allowed to use it: a plain state machine. It answers, and says what is to be
//! done; doing it (opening, rolling back, waking) is the business of the rooms above.
//!
//! Generic over what names a task, so that its tests need neither a runtime nor a database.

mod allowances;
mod modes;
#[cfg(test)]
mod tests;

pub(crate) use allowances::{ActorId, Allowances, Refused, Target};
pub(crate) use modes::Mode;
pub use modes::ModeChange;

use super::OwnerId;
use modes::Modes;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

/// A database of the application: repos of one name and database type are the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RepoId {
    pub(crate) name: &'static str,
    pub(crate) database: &'static str,
}

/// One checkout. Never used again: what is decided about one must not hit its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What the asking code is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The test's own body, or code that named its owner.
    Owner,
    /// It inherited the owner.
    Heir,
    /// It was allowed to use the owner's sessions.
    Allowed,
}

/// What [`Repo::checkout`](crate::Repo::checkout) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `New` opened a session, with the options that were given"]
pub enum Checkout {
    /// The owner had no session on the repo; now it has.
    New,
    /// The owner has one already. It stays as it is, whatever the options were.
    AlreadyOwner,
    /// The running code is no owner itself: it uses the session of the one it descends from or was allowed by.
    AlreadyAllowed,
}

/// What [`Repo::checkin`](crate::Repo::checkin) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Ok` gave a session back"]
pub enum Checkin {
    /// The session is given back and everything in it is gone.
    Ok,
    /// Only the owner gives its session back; the running code merely uses it.
    NotOwner,
    /// There is no session to give back.
    NotFound,
}

/// What using a repo means for an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It has a session.
    Open(Ticket),
    /// It has one from now on, which is to be opened.
    Opens(Ticket),
    /// It had one and gave it back, or it was taken away: a new one must be asked for, or data would vanish in silence.
    GivenBack,
    /// It has ended.
    Ended,
}

/// A checkout that is to be rolled back now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Evicted {
    pub(crate) owner: OwnerId,
    pub(crate) repo: RepoId,
    pub(crate) ticket: Ticket,
}

/// What ended with an owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End<T> {
    /// Its checkouts, to be rolled back if nobody has yet.
    pub(crate) evicted: Vec<Evicted>,
    /// Repos that were shared by it and are manual now.
    pub(crate) reverted: Vec<RepoId>,
    /// Whether everything was shared by it.
    pub(crate) was_everywhere: bool,
    /// Tasks and actors that were allowed to use its sessions.
    pub(crate) lost: Vec<Target<T>>,
}

/// Everything that is decided about owners.
#[derive(Debug)]
pub(crate) struct Registry<T, O> {
    owners: BTreeMap<OwnerId, Record<O>>,
    modes: Modes,
    allowances: Allowances<T>,
    tickets: u64,
}

#[derive(Debug)]
struct Record<O> {
    owner: O,
    open: BTreeMap<RepoId, Ticket>,
    given_back: BTreeSet<RepoId>,
}

impl<T, O> Registry<T, O> {
    /// Nobody owns anything.
    pub(crate) const fn new() -> Self {
        Self {
            owners: BTreeMap::new(),
            modes: Modes::new(),
            allowances: Allowances::new(),
            tickets: 0,
        }
    }
}

impl<T: Copy + Eq + Hash, O> Registry<T, O> {
    /// An owner is running from now on.
    pub(crate) fn start(&mut self, id: OwnerId, owner: O) {
        let record = Record {
            owner,
            open: BTreeMap::new(),
            given_back: BTreeSet::new(),
        };
        self.owners.insert(id, record);
    }

    /// An owner has ended: nothing of it is known any more. `None` when it had ended already.
    pub(crate) fn end(&mut self, id: OwnerId) -> Option<(O, End<T>)> {
        let record = self.owners.remove(&id)?;
        let evicted = record.open.iter().map(|(repo, ticket)| Evicted {
            owner: id,
            repo: *repo,
            ticket: *ticket,
        });
        let (reverted, was_everywhere) = self.modes.owner_ended(id);
        let end = End {
            evicted: evicted.collect(),
            reverted,
            was_everywhere,
            lost: self.allowances.owner_ended(id),
        };
        Some((record.owner, end))
    }

    /// What was kept for an owner that runs.
    pub(crate) fn owner(&self, id: OwnerId) -> Option<&O> {
        self.owners.get(&id).map(|record| &record.owner)
    }

    /// The owners that run, oldest first.
    pub(crate) fn owners(&self) -> impl ExactSizeIterator<Item = (OwnerId, &O)> {
        self.owners.iter().map(|(id, record)| (*id, &record.owner))
    }

    /// An owner, or an heir of it, uses a repo.
    pub(crate) fn use_of(&mut self, id: OwnerId, repo: RepoId) -> Use {
        let Some(record) = self.owners.get_mut(&id) else {
            return Use::Ended;
        };
        if let Some(ticket) = record.open.get(&repo) {
            return Use::Open(*ticket);
        }
        if record.given_back.contains(&repo) {
            return Use::GivenBack;
        }
        Use::Opens(record.opens(repo, &mut self.tickets))
    }

    /// An owner asks for a session on a repo. `None` when it has ended.
    pub(crate) fn checkout(
        &mut self,
        id: OwnerId,
        role: Role,
        repo: RepoId,
    ) -> Option<(Checkout, Option<Ticket>)> {
        let record = self.owners.get_mut(&id)?;
        let open = record.open.get(&repo).copied();
        Some(match (role, open) {
            (Role::Heir | Role::Allowed, _) => (Checkout::AlreadyAllowed, open),
            (Role::Owner, Some(ticket)) => (Checkout::AlreadyOwner, Some(ticket)),
            (Role::Owner, None) => {
                let ticket = record.opens(repo, &mut self.tickets);
                (Checkout::New, Some(ticket))
            }
        })
    }

    /// An owner gives its session on a repo back. The ticket is that of the session to be rolled back.
    pub(crate) fn checkin(
        &mut self,
        id: OwnerId,
        role: Role,
        repo: RepoId,
    ) -> (Checkin, Option<Ticket>) {
        let Some(record) = self.owners.get_mut(&id) else {
            return (Checkin::NotFound, None);
        };
        if role != Role::Owner {
            return (Checkin::NotOwner, None);
        }
        match record.gives_back(repo) {
            Some(ticket) => {
                self.modes.owner_left(id, repo);
                (Checkin::Ok, Some(ticket))
            }
            None => (Checkin::NotFound, None),
        }
    }

    /// Takes one checkout away, if it is still that one.
    pub(crate) fn take(&mut self, id: OwnerId, repo: RepoId, ticket: Ticket) -> bool {
        let Some(record) = self.owners.get_mut(&id) else {
            return false;
        };
        let taken = record.open.get(&repo) == Some(&ticket) && record.gives_back(repo).is_some();
        if taken {
            self.modes.owner_left(id, repo);
        }
        taken
    }

    /// A session could not be opened: the next use opens one, also where an earlier one was given back, since whoever
    /// asked was told. `false` when it was taken meanwhile.
    pub(crate) fn not_opened(&mut self, id: OwnerId, repo: RepoId, ticket: Ticket) -> bool {
        let Some(record) = self.owners.get_mut(&id) else {
            return false;
        };
        let was_open = record.open.get(&repo) == Some(&ticket);
        if was_open {
            record.open.remove(&repo);
            self.modes.owner_left(id, repo);
        }
        was_open
    }

    /// A repo's mode.
    pub(crate) fn mode(&self, repo: RepoId) -> Mode {
        self.modes.of(repo)
    }

    /// Repos that have a mode of their own.
    pub(crate) fn modes(&self) -> impl Iterator<Item = (RepoId, Mode)> {
        self.modes.explicit()
    }

    /// Repos without a mode of their own are manual from now on.
    pub(crate) fn suite_starts(&mut self) {
        self.modes.suite_starts();
    }

    /// One owner shares its sessions on every repo, until it ends. Modes that were set before hold again then.
    pub(crate) fn share_everywhere(&mut self, id: OwnerId) {
        if self.owners.contains_key(&id) {
            self.modes.share_everywhere(id);
        }
    }

    /// Who shares its sessions on every repo.
    pub(crate) fn shared_everywhere(&self) -> Option<&O> {
        self.owner(self.modes.everywhere()?)
    }

    /// Changes a repo's mode. Whoever is evicted is to be rolled back before anything else happens. `role` is that of the
    /// asking code towards the owner it names in [`Mode::Shared`].
    pub(crate) fn set_mode(
        &mut self,
        repo: RepoId,
        mode: Mode,
        role: Role,
    ) -> (ModeChange, Vec<Evicted>) {
        if self.modes.of(repo) == mode {
            // Now it is meant, and stays when the suite's default changes.
            self.modes.set(repo, mode);
            return (ModeChange::Ok, Vec::new());
        }
        let mut stays = None;
        if let Mode::Shared(id) = mode {
            if let Mode::Shared(_) = self.modes.of(repo) {
                return (ModeChange::AlreadyShared, Vec::new());
            }
            let record = self.owners.get(&id);
            if !record.is_some_and(|record| record.open.contains_key(&repo)) {
                return (ModeChange::NotFound, Vec::new());
            }
            if role != Role::Owner {
                return (ModeChange::NotOwner, Vec::new());
            }
            stays = Some(id);
        }
        self.modes.set(repo, mode);
        let evicted = self.evict(repo, stays);
        for one in &evicted {
            self.modes.owner_left(one.owner, repo);
        }
        (ModeChange::Ok, evicted)
    }

    fn evict(&mut self, repo: RepoId, stays: Option<OwnerId>) -> Vec<Evicted> {
        let others = self.owners.iter_mut().filter(|(id, _)| Some(**id) != stays);
        others
            .filter_map(|(id, record)| {
                record.gives_back(repo).map(|ticket| Evicted {
                    owner: *id,
                    repo,
                    ticket,
                })
            })
            .collect()
    }

    /// Lets a task or an actor use an owner's sessions; see [`Allowances`].
    pub(crate) fn allow(&mut self, id: OwnerId, target: Target<T>) -> Result<(), Refused> {
        if !self.owners.contains_key(&id) {
            return Err(Refused::OwnerEnded);
        }
        self.allowances.allow(id, target)
    }

    /// As [`Registry::allow`], whoever allowed the target before.
    pub(crate) fn reassign(&mut self, id: OwnerId, target: Target<T>) -> Result<(), Refused> {
        if !self.owners.contains_key(&id) {
            return Err(Refused::OwnerEnded);
        }
        self.allowances.reassign(id, target);
        Ok(())
    }

    /// An actor starts; the name is what allowances may be waiting for.
    pub(crate) fn actor_starts(&mut self, name: &'static str, born: Option<OwnerId>) -> ActorId {
        let actor = self.allowances.actor_starts(name, born);
        if let Some(ended) = born.filter(|id| !self.owners.contains_key(id)) {
            // As if that came after the start: or nobody could adopt this actor, ever.
            self.allowances.owner_ended(ended);
        }
        actor
    }

    /// An actor has ended.
    pub(crate) fn actor_ends(&mut self, actor: ActorId) {
        self.allowances.actor_ends(actor);
    }

    /// Whose sessions this task, or the actor it runs as, was allowed to use.
    pub(crate) fn allowed(&self, task: Option<T>, actor: Option<ActorId>) -> Option<&O> {
        self.owner(self.allowances.of(task, actor)?)
    }

    /// What is allowed to whom.
    pub(crate) fn allowances(&self) -> &Allowances<T> {
        &self.allowances
    }
}

impl<O> Record<O> {
    fn opens(&mut self, repo: RepoId, tickets: &mut u64) -> Ticket {
        *tickets += 1;
        let ticket = Ticket(*tickets);
        self.given_back.remove(&repo);
        self.open.insert(repo, ticket);
        ticket
    }

    fn gives_back(&mut self, repo: RepoId) -> Option<Ticket> {
        let ticket = self.open.remove(&repo)?;
        self.given_back.insert(repo);
        Some(ticket)
    }
}
