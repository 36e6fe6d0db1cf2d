//! Actors: work with a name, which an owner may allow before it exists.

use super::changes;
use crate::owner::{ActorId, DIRECTORY, OwnerId};

/// An actor that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Actor(ActorId);

impl Actor {
    pub(super) fn starts(name: &'static str, born: Option<OwnerId>) -> Self {
        let actor = Self(DIRECTORY.write(|registry| registry.actor_starts(name, born)));
        changes::happened();
        actor
    }

    pub(super) fn id(&self) -> ActorId {
        self.0
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        DIRECTORY.write(|registry| registry.actor_ends(self.0));
    }
}
