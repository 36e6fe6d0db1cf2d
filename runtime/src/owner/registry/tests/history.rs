//! The naive model: a list of what happened. It keeps no state; each answer is looked up in the list by the rule that the
//! documentation states, however slow that is.

use super::super::{Checkin, Checkout, End, Evicted, Mode, ModeChange, Refused, Role, Use};
use super::steps::NAMES;
use super::{ActorId, OwnerId, RepoId, Target, Ticket, actor};

pub(super) type Name = &'static str;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fact {
    SuiteStarted,
    Started(OwnerId),
    Ended(OwnerId),
    Opened(OwnerId, RepoId, Ticket),
    /// Or taken away.
    GivenBack(OwnerId, RepoId),
    NotOpened(OwnerId, RepoId),
    ModeSet(RepoId, Mode),
    SharedEverywhere(OwnerId),
    TaskAllowed(u8, OwnerId),
    NameAllowed(Name, OwnerId),
    /// As allowed, and no longer to anybody else.
    NameReassigned(Name, OwnerId),
    ActorStarted(ActorId, Name, Option<OwnerId>),
    ActorAllowed(ActorId, OwnerId),
    ActorEnded(ActorId),
}

use Fact::{
    ActorAllowed, ActorEnded, ActorStarted, Ended, GivenBack, ModeSet, NameAllowed, NameReassigned,
    NotOpened, Opened, SharedEverywhere, Started, SuiteStarted, TaskAllowed,
};

/// What an owner has on a repo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Session {
    /// Of an owner that does not run.
    None,
    Unused,
    Open(Ticket),
    GivenBack,
}

#[derive(Debug, Default)]
pub(super) struct History(Vec<Fact>);

/// What is so now.
impl Fact {
    fn allowed_name(&self) -> Option<Name> {
        match *self {
            NameAllowed(name, _) | NameReassigned(name, _) => Some(name),
            _ => None,
        }
    }
}

impl History {
    fn last<R>(&self, found: impl FnMut(&Fact) -> Option<R>) -> Option<R> {
        self.0.iter().rev().find_map(found)
    }

    pub(super) fn runs(&self, id: OwnerId) -> bool {
        let last = self.last(|fact| match fact {
            Started(of) | Ended(of) if *of == id => Some(matches!(fact, Started(_))),
            _ => None,
        });
        last.unwrap_or(false)
    }

    /// Oldest first.
    pub(super) fn running(&self) -> Vec<OwnerId> {
        let started = self.0.iter().filter_map(|fact| match fact {
            Started(id) => Some(*id),
            _ => None,
        });
        started.filter(|id| self.runs(*id)).collect()
    }

    pub(super) fn session(&self, id: OwnerId, repo: RepoId) -> Session {
        if !self.runs(id) {
            return Session::None;
        }
        let on = (id, repo);
        let found = self.last(|fact| match *fact {
            NotOpened(id, repo) if on == (id, repo) => Some(Session::Unused),
            Opened(id, repo, ticket) if on == (id, repo) => Some(Session::Open(ticket)),
            GivenBack(id, repo) if on == (id, repo) => Some(Session::GivenBack),
            _ => None,
        });
        found.unwrap_or(Session::Unused)
    }

    /// The tickets of an owner's sessions on a repo, the latest first; or everybody's.
    pub(super) fn tickets(&self, of: Option<(OwnerId, RepoId)>) -> impl Iterator<Item = Ticket> {
        self.0.iter().rev().filter_map(move |fact| match *fact {
            Opened(id, repo, ticket) if of.is_none_or(|of| of == (id, repo)) => Some(ticket),
            _ => None,
        })
    }

    pub(super) fn mode(&self, repo: RepoId) -> Mode {
        self.own_mode(repo)
            .unwrap_or_else(|| match self.everywhere() {
                Some(id) => Mode::Shared(id),
                None if self.0.contains(&SuiteStarted) => Mode::Manual,
                None => Mode::Auto,
            })
    }

    /// The mode that was set for a repo, if that counts now: what was set before one owner shared everything does not
    /// while it does, and what was set meanwhile does not afterwards.
    pub(super) fn own_mode(&self, repo: RepoId) -> Option<Mode> {
        self.set_mode_in(repo, |place| match self.sharing_since() {
            Some(since) => place > since,
            None => !self.was_in_sharing(place),
        })
    }

    /// The mode that counts again when nobody shares everything any more.
    fn hidden_mode(&self, repo: RepoId) -> Option<Mode> {
        let since = self.sharing_since()?;
        self.set_mode_in(repo, |place| place < since && !self.was_in_sharing(place))
    }

    fn sharing_since(&self) -> Option<usize> {
        let last = self
            .0
            .iter()
            .rposition(|fact| matches!(fact, SharedEverywhere(_)))?;
        self.everywhere().map(|_| last)
    }

    fn was_in_sharing(&self, place: usize) -> bool {
        let began = self.0[..place].iter().rev().find_map(|fact| match fact {
            SharedEverywhere(id) => Some(*id),
            _ => None,
        });
        let Some(id) = began else { return false };
        let start = self.0[..place]
            .iter()
            .rposition(|fact| *fact == SharedEverywhere(id))
            .expect("it began");
        !self.0[start..place].contains(&Ended(id))
    }

    fn set_mode_in(&self, repo: RepoId, counts: impl Fn(usize) -> bool) -> Option<Mode> {
        let mut places = (0..self.0.len()).rev();
        let set = places.find(|place| {
            matches!(self.0[*place], ModeSet(on, _) if on == repo) && counts(*place)
        })?;
        let ModeSet(_, mode) = self.0[set] else {
            return None;
        };
        let Mode::Shared(id) = mode else {
            return Some(mode);
        };
        let left = [GivenBack(id, repo), NotOpened(id, repo), Ended(id)];
        let has_left = self.0[set..].iter().any(|fact| left.contains(fact));
        Some(if has_left { Mode::Manual } else { mode })
    }

    fn everywhere(&self) -> Option<OwnerId> {
        let last = self.last(|fact| match fact {
            SharedEverywhere(id) => Some(*id),
            _ => None,
        });
        last.filter(|id| self.runs(*id))
    }

    pub(super) fn allowed_task(&self, task: u8) -> Option<OwnerId> {
        let last = self.last(|fact| match fact {
            TaskAllowed(of, id) if *of == task => Some(*id),
            _ => None,
        });
        last.filter(|id| self.runs(*id))
    }

    pub(super) fn allowed_actor(&self, actor: ActorId) -> Option<OwnerId> {
        let last = self.last(|fact| match fact {
            ActorAllowed(of, id) if *of == actor => Some(Some(*id)),
            ActorEnded(of) if *of == actor => Some(None),
            _ => None,
        });
        last.flatten().filter(|id| self.runs(*id))
    }

    /// Every actor there ever was, with its name while it runs.
    pub(super) fn actors(&self) -> Vec<(ActorId, Option<Name>)> {
        let ended = self.0.iter().filter_map(|fact| match fact {
            ActorEnded(actor) => Some(*actor),
            _ => None,
        });
        let ended: Vec<_> = ended.collect();
        let started = self.0.iter().filter_map(|fact| match *fact {
            ActorStarted(actor, name, _) => Some((actor, name)),
            _ => None,
        });
        started
            .map(|(actor, name)| (actor, (!ended.contains(&actor)).then_some(name)))
            .collect()
    }

    fn running_actors(&self, name: &str) -> Vec<ActorId> {
        let actors = self.actors().into_iter();
        actors
            .filter_map(|(actor, is)| (is == Some(name)).then_some(actor))
            .collect()
    }

    /// Who allows a name, oldest first.
    pub(super) fn standing(&self, name: &str) -> Vec<OwnerId> {
        let reassigned = |fact: &Fact| matches!(fact, NameReassigned(of, _) if *of == name);
        let since = self.0.iter().rposition(reassigned).unwrap_or(0);
        let mut owners = Vec::new();
        for fact in &self.0[since..] {
            if let NameAllowed(of, id) | NameReassigned(of, id) = *fact
                && of == name
                && self.runs(id)
                && !owners.contains(&id)
            {
                owners.push(id);
            }
        }
        owners
    }

    /// How many running actors of the name an owner has.
    fn count(&self, name: &str, id: OwnerId) -> usize {
        let actors = self.running_actors(name).into_iter();
        actors
            .filter(|actor| self.allowed_actor(*actor) == Some(id))
            .count()
    }

    /// Whom a running actor was born to, if that still runs.
    fn born(&self, actor: ActorId) -> Option<OwnerId> {
        let started = self.last(|fact| match fact {
            ActorStarted(of, _, born) if *of == actor => Some(*born),
            _ => None,
        });
        started.flatten().filter(|id| self.runs(*id))
    }
}

/// What happens next. Where a ticket or an actor's number is handed out, `new` is the one that the registry chose; see
/// [`History::unseen_ticket`].
impl History {
    pub(super) fn suite_starts(&mut self) {
        self.0.push(SuiteStarted);
    }

    pub(super) fn start(&mut self, id: OwnerId) {
        self.0.push(Started(id));
    }

    pub(super) fn end(&mut self, id: OwnerId, repos: &[RepoId]) -> Option<(OwnerId, End<u8>)> {
        if !self.runs(id) {
            return None;
        }
        let evicted = repos.iter().filter_map(|repo| self.evicted(id, *repo));
        let shared = |repo: &&RepoId| {
            let modes = [self.own_mode(**repo), self.hidden_mode(**repo)];
            modes.contains(&Some(Mode::Shared(id)))
        };
        let tasks = (0..=u8::MAX).filter(|task| self.allowed_task(*task) == Some(id));
        let mut names: Vec<_> = self.0.iter().filter_map(Fact::allowed_name).collect();
        names.sort_unstable();
        names.dedup();
        let names = names
            .into_iter()
            .filter(|name| self.standing(name).contains(&id));
        let end = End {
            evicted: evicted.collect(),
            reverted: repos.iter().filter(shared).copied().collect(),
            was_everywhere: self.everywhere() == Some(id),
            lost: tasks.map(Target::Task).chain(names.map(actor)).collect(),
        };
        self.0.push(Ended(id));
        Some((id, end))
    }

    fn evicted(&self, owner: OwnerId, repo: RepoId) -> Option<Evicted> {
        match self.session(owner, repo) {
            Session::Open(ticket) => Some(Evicted {
                owner,
                repo,
                ticket,
            }),
            _ => None,
        }
    }

    /// The ticket, if it was never handed out; else one that cannot be right.
    pub(super) fn unseen_ticket(&self, ticket: Option<Ticket>) -> Ticket {
        let unseen = ticket.filter(|ticket| !self.tickets(None).any(|seen| seen == *ticket));
        unseen.unwrap_or(Ticket(u64::MAX))
    }

    pub(super) fn unseen_actor(&self, actor: ActorId) -> bool {
        !self.actors().iter().any(|(seen, _)| *seen == actor)
    }

    pub(super) fn use_of(&mut self, id: OwnerId, repo: RepoId, new: Ticket) -> Use {
        match self.session(id, repo) {
            Session::None => Use::Ended,
            Session::GivenBack => Use::GivenBack,
            Session::Open(ticket) => Use::Open(ticket),
            Session::Unused => {
                self.0.push(Opened(id, repo, new));
                Use::Opens(new)
            }
        }
    }

    pub(super) fn checkout(
        &mut self,
        id: OwnerId,
        role: Role,
        repo: RepoId,
        new: Ticket,
    ) -> Option<(Checkout, Option<Ticket>)> {
        let open = match self.session(id, repo) {
            Session::None => return None,
            Session::Open(ticket) => Some(ticket),
            Session::Unused | Session::GivenBack => None,
        };
        if role != Role::Owner {
            return Some((Checkout::AlreadyAllowed, open));
        }
        if open.is_some() {
            return Some((Checkout::AlreadyOwner, open));
        }
        self.0.push(Opened(id, repo, new));
        Some((Checkout::New, Some(new)))
    }

    pub(super) fn checkin(
        &mut self,
        id: OwnerId,
        role: Role,
        repo: RepoId,
    ) -> (Checkin, Option<Ticket>) {
        match (self.session(id, repo), role) {
            (
                Session::Unused | Session::Open(_) | Session::GivenBack,
                Role::Heir | Role::Allowed,
            ) => (Checkin::NotOwner, None),
            (Session::Open(ticket), Role::Owner) => {
                self.0.push(GivenBack(id, repo));
                (Checkin::Ok, Some(ticket))
            }
            (Session::None, _) | (Session::Unused | Session::GivenBack, Role::Owner) => {
                (Checkin::NotFound, None)
            }
        }
    }

    pub(super) fn take(&mut self, id: OwnerId, repo: RepoId, ticket: Ticket) -> bool {
        let is_open = self.session(id, repo) == Session::Open(ticket);
        if is_open {
            self.0.push(GivenBack(id, repo));
        }
        is_open
    }

    pub(super) fn not_opened(&mut self, id: OwnerId, repo: RepoId, ticket: Ticket) -> bool {
        let is_open = self.session(id, repo) == Session::Open(ticket);
        if is_open {
            self.0.push(NotOpened(id, repo));
        }
        is_open
    }

    pub(super) fn share_everywhere(&mut self, id: OwnerId) {
        if self.runs(id) && self.everywhere().is_none() {
            self.0.push(SharedEverywhere(id));
        }
    }

    pub(super) fn set_mode(
        &mut self,
        repo: RepoId,
        mode: Mode,
        role: Role,
    ) -> (ModeChange, Vec<Evicted>) {
        let now = self.mode(repo);
        let stays = match mode {
            Mode::Shared(id) => Some(id),
            Mode::Auto | Mode::Manual => None,
        };
        if now != mode
            && let Some(id) = stays
        {
            let refused = match (now, self.session(id, repo), role) {
                (Mode::Shared(_), _, _) => Some(ModeChange::AlreadyShared),
                (_, Session::None | Session::Unused | Session::GivenBack, _) => {
                    Some(ModeChange::NotFound)
                }
                (_, Session::Open(_), Role::Heir | Role::Allowed) => Some(ModeChange::NotOwner),
                (_, Session::Open(_), Role::Owner) => None,
            };
            if let Some(refused) = refused {
                return (refused, Vec::new());
            }
        }
        self.0.push(ModeSet(repo, mode));
        let mut evicted = Vec::new();
        if now != mode {
            let others = self.running().into_iter().filter(|id| Some(*id) != stays);
            evicted = others.filter_map(|id| self.evicted(id, repo)).collect();
        }
        let gone = evicted.iter().map(|one| GivenBack(one.owner, repo));
        self.0.extend(gone.collect::<Vec<_>>());
        (ModeChange::Ok, evicted)
    }

    pub(super) fn allow(&mut self, id: OwnerId, target: &Target<u8>) -> Result<(), Refused> {
        if !self.runs(id) {
            return Err(Refused::OwnerEnded);
        }
        match target {
            Target::Task(task) => {
                if let Some(other) = self.allowed_task(*task).filter(|other| *other != id) {
                    return Err(Refused::AllowedBy(other));
                }
                self.0.push(TaskAllowed(*task, id));
            }
            Target::Actor(name) => {
                let mut actors = self.running_actors(name);
                actors.retain(|actor| self.born(*actor).is_none_or(|born| born == id));
                let others = |actor: &ActorId| self.allowed_actor(*actor).filter(|o| *o != id);
                let taken: Vec<_> = actors.iter().filter_map(others).collect();
                let all_taken = !actors.is_empty() && taken.len() == actors.len();
                if all_taken && !self.standing(name).contains(&id) {
                    return Err(Refused::AllowedBy(taken[0]));
                }
                actors.retain(|actor| self.allowed_actor(*actor).is_none());
                self.0.push(NameAllowed(name_of(target), id));
                self.0
                    .extend(actors.into_iter().map(|of| ActorAllowed(of, id)));
            }
        }
        Ok(())
    }

    pub(super) fn reassign(&mut self, id: OwnerId, target: &Target<u8>) -> Result<(), Refused> {
        if !self.runs(id) {
            return Err(Refused::OwnerEnded);
        }
        match target {
            Target::Task(task) => self.0.push(TaskAllowed(*task, id)),
            Target::Actor(name) => {
                let mut actors = self.running_actors(name);
                actors.retain(|actor| self.born(*actor).is_none_or(|born| born == id));
                self.0.push(NameReassigned(name_of(target), id));
                self.0
                    .extend(actors.into_iter().map(|of| ActorAllowed(of, id)));
            }
        }
        Ok(())
    }

    pub(super) fn actor_starts(&mut self, name: Name, born: Option<OwnerId>, new: ActorId) {
        let next = self.next_for(name, born);
        self.0.push(ActorStarted(new, name, born));
        self.0.extend(next.map(|id| ActorAllowed(new, id)));
    }

    /// Who gets an actor that nobody has.
    fn next_for(&self, name: &str, born: Option<OwnerId>) -> Option<OwnerId> {
        let mut waiting = self.standing(name);
        waiting.retain(|id| born.is_none_or(|born| born == *id));
        // A stable sort: of those with equally few the oldest stays first.
        waiting.sort_by_key(|id| self.count(name, *id));
        waiting.first().copied()
    }

    pub(super) fn actor_ends(&mut self, actor: ActorId) {
        self.0.push(ActorEnded(actor));
    }
}

/// The name as it is written in [`NAMES`].
fn name_of(target: &Target<u8>) -> Name {
    let named = NAMES.into_iter().find(|name| *target == actor(name));
    named.expect("programs name no other actors")
}
