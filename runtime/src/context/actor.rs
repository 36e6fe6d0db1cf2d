//! Actors: work with a name, which an owner may allow before it exists.

use super::changes;
use crate::owner::{ActorId, DIRECTORY, OwnerId};

/// An actor that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Actor {
    id: ActorId,
    name: &'static str,
}

impl Actor {
    pub(super) fn starts(name: &'static str, born: Option<OwnerId>) -> Self {
        let id = DIRECTORY.write(|registry| registry.actor_starts(name, born));
        changes::happened();
        Self { id, name }
    }

    pub(super) fn id(&self) -> ActorId {
        self.id
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        DIRECTORY.write(|registry| registry.actor_ends(self.id));
    }
}
