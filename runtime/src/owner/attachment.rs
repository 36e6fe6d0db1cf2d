//! What rooms above keep for an owner. The types are those rooms'.

use super::Owner;
use crate::error::SessionView;
use std::any::Any;
use std::sync::OnceLock;

#[derive(Default)]
pub(super) struct Slots {
    sessions: OnceLock<Box<dyn Attached>>,
    work: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// What can be attached: it tells what people want to see of it.
pub(crate) trait Attached: Any + Send + Sync {
    /// The owner's sessions, as they are now.
    fn sessions(&self) -> Vec<SessionView>;
}

const ONE_ROOM: &str = "each slot of an owner belongs to one room: heirloom's bug";

impl Owner {
    /// What the repos' room keeps for this owner; made on first use.
    ///
    /// # Panics
    ///
    /// When two rooms attach different types, which is heirloom's bug.
    #[cfg(feature = "_database")]
    pub(crate) fn attachment<T: Attached + Default>(&self) -> &T {
        let slot = &self.0.slots.sessions;
        let attached: &dyn Any = slot.get_or_init(|| Box::new(T::default())).as_ref();
        attached.downcast_ref().expect(ONE_ROOM)
    }

    /// What the tasks' room keeps for this owner; made on first use.
    ///
    /// # Panics
    ///
    /// As [`Owner::attachment`].
    pub(crate) fn work<T: Any + Default + Send + Sync>(&self) -> &T {
        let kept = self.0.slots.work.get_or_init(|| Box::new(T::default()));
        kept.downcast_ref().expect(ONE_ROOM)
    }

    /// Its sessions, as they are now.
    pub(crate) fn sessions(&self) -> Vec<SessionView> {
        let attached = self.0.slots.sessions.get();
        attached.map_or_else(Vec::new, |attached| attached.sessions())
    }
}
