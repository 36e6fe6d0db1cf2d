//! Which tasks and actors may use whose sessions.
//!
//! An allowance leads straight to an owner, never to another task: it survives whoever passed it on. It ends with its
//! owner.

use crate::owner::OwnerId;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

/// A running actor, unique in this process and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ActorId(u64);

/// Who is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target<T> {
    Task(T),
    /// Every actor of this name that nobody else was born to, now and later.
    Actor(Cow<'static, str>),
}

/// Why a target was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The owner has ended.
    OwnerEnded,
    /// Another owner has allowed it already.
    AllowedBy(OwnerId),
}

#[derive(Debug)]
pub(crate) struct Allowances<T> {
    // With a fixed hash, so that the whole can be a constant; nobody chooses the keys.
    tasks: HashMap<T, OwnerId, BuildHasherDefault<DefaultHasher>>,
    actors: BTreeMap<ActorId, Actor>,
    /// Who allowed which name, oldest first. Stands until its owner ends, so that an actor may be restarted.
    names: Vec<(Cow<'static, str>, OwnerId)>,
    started: u64,
}

#[derive(Debug)]
struct Actor {
    name: &'static str,
    /// Who spawned it.
    born: Option<OwnerId>,
    allowed: Option<OwnerId>,
}

impl<T> Allowances<T> {
    pub(super) const fn new() -> Self {
        Self {
            tasks: HashMap::with_hasher(BuildHasherDefault::new()),
            actors: BTreeMap::new(),
            names: Vec::new(),
            started: 0,
        }
    }
}

impl<T: Copy + Eq + Hash> Allowances<T> {
    /// How many allowances stand: with none nobody needs to look. An actor that is allowed is so by a name.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len() + self.names.len()
    }

    pub(super) fn of(&self, task: Option<T>, actor: Option<ActorId>) -> Option<OwnerId> {
        let by_name = actor
            .and_then(|actor| self.actors.get(&actor))
            .and_then(|actor| actor.allowed);
        by_name.or_else(|| self.tasks.get(&task?).copied())
    }

    pub(super) fn allow(&mut self, id: OwnerId, target: Target<T>) -> Result<(), Refused> {
        match target {
            Target::Task(task) => match self.tasks.get(&task) {
                Some(other) if *other != id => Err(Refused::AllowedBy(*other)),
                _ => {
                    self.tasks.insert(task, id);
                    Ok(())
                }
            },
            Target::Actor(name) => self.allow_actor(id, name),
        }
    }

    /// Running actors of the name that were not born to somebody else are allowed now, later ones when they start.
    fn allow_actor(&mut self, id: OwnerId, name: Cow<'static, str>) -> Result<(), Refused> {
        let meant = |actor: &Actor| actor.name == name && actor.born.is_none_or(|born| born == id);
        let free = |actor: &Actor| actor.allowed.is_none_or(|owner| owner == id);
        let mut actors = self.actors.values().filter(|actor| meant(actor)).peekable();
        let first = actors.peek().and_then(|actor| actor.allowed);
        // What was allowed before they started stands, whoever got them.
        let stands = self
            .names
            .iter()
            .any(|(n, owner)| *n == name && *owner == id);
        if !stands && actors.peek().is_some() && !actors.any(free) {
            return Err(Refused::AllowedBy(first.unwrap_or(id)));
        }
        for actor in self.actors.values_mut() {
            if meant(actor) && free(actor) {
                actor.allowed = Some(id);
            }
        }
        self.stand(id, name);
        Ok(())
    }

    pub(super) fn reassign(&mut self, id: OwnerId, target: Target<T>) {
        match target {
            Target::Task(task) => {
                self.tasks.insert(task, id);
            }
            Target::Actor(name) => {
                for actor in self.actors.values_mut() {
                    if actor.name == name && actor.born.is_none_or(|born| born == id) {
                        actor.allowed = Some(id);
                    }
                }
                self.names
                    .retain(|(other, owner)| *other != name || *owner == id);
                self.stand(id, name);
            }
        }
    }

    fn stand(&mut self, id: OwnerId, name: Cow<'static, str>) {
        let standing = (name, id);
        if !self.names.contains(&standing) {
            self.names.push(standing);
        }
    }

    /// An actor that was born to an owner which allowed its name is that owner's; one that was born to another is left
    /// alone. Of those who wait for one that nobody was born to, the one with the fewest gets it, then the oldest.
    pub(super) fn actor_starts(&mut self, name: &'static str, born: Option<OwnerId>) -> ActorId {
        let allowed = self.waiting_for(name, born);
        self.started += 1;
        let id = ActorId(self.started);
        let actor = Actor {
            name,
            born,
            allowed,
        };
        self.actors.insert(id, actor);
        id
    }

    /// Who is to get an actor of this name.
    fn waiting_for(&self, name: &str, born: Option<OwnerId>) -> Option<OwnerId> {
        let names = self.names.iter();
        let waiting =
            names.filter(|(of, owner)| *of == name && born.is_none_or(|born| born == *owner));
        let mut have: BTreeMap<OwnerId, usize> = BTreeMap::new();
        for actor in self.actors.values().filter(|actor| actor.name == name) {
            if let Some(owner) = actor.allowed {
                *have.entry(owner).or_default() += 1;
            }
        }
        waiting
            .map(|(_, owner)| *owner)
            .min_by_key(|owner| have.get(owner).copied().unwrap_or(0))
    }

    fn running(&self, name: &str, owner: OwnerId) -> usize {
        let actors = self.actors.values();
        actors
            .filter(|actor| actor.name == name && actor.allowed == Some(owner))
            .count()
    }

    pub(super) fn actor_ends(&mut self, actor: ActorId) {
        self.actors.remove(&actor);
    }

    pub(super) fn owner_ended(&mut self, id: OwnerId) -> Vec<Target<T>> {
        let mut lost = Vec::new();
        self.tasks.retain(|task, owner| {
            let stays = *owner != id;
            if !stays {
                lost.push(Target::Task(*task));
            }
            stays
        });
        // It is handed on to nobody in the middle of its work: it may hold what it read from the owner that has ended.
        for actor in self.actors.values_mut() {
            if actor.allowed == Some(id) {
                actor.allowed = None;
            }
            // Whoever it was born to is gone: from now on anybody may adopt it.
            actor.born = actor.born.filter(|born| *born != id);
        }
        // Names without a running actor, too: one that starts later is told whose it would have been.
        let names = self.names.extract_if(.., |(_, owner)| *owner == id);
        lost.extend(names.map(|(name, _)| Target::Actor(name)));
        lost
    }

    /// The name of an actor that runs.
    pub(crate) fn name_of(&self, actor: ActorId) -> Option<&'static str> {
        self.actors.get(&actor).map(|actor| actor.name)
    }

    /// The tasks that an owner allowed.
    pub(crate) fn tasks_of(&self, id: OwnerId) -> impl Iterator<Item = T> {
        let tasks = self.tasks.iter();
        tasks
            .filter(move |(_, owner)| **owner == id)
            .map(|(task, _)| *task)
    }

    /// The names that an owner allowed, and how many running actors each has.
    pub(crate) fn names_of(&self, id: OwnerId) -> impl Iterator<Item = (&str, usize)> {
        let names = self.names.iter().filter(move |(_, owner)| *owner == id);
        names.map(move |(name, _)| (name.as_ref(), self.running(name, id)))
    }
}
