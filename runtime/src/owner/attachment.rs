//! What a room above keeps for an owner. The type is that room's.

use super::Owner;
use crate::error::SessionView;
use std::any::Any;
use std::sync::OnceLock;

#[derive(Default)]
pub(super) struct Slot(OnceLock<Box<dyn Attached>>);

/// What can be attached: it tells what people want to see of it.
pub(crate) trait Attached: Any + Send + Sync {
    /// The owner's sessions, as they are now.
    fn sessions(&self) -> Vec<SessionView>;
}

impl Owner {
    /// What the room above keeps for this owner; made on first use.
    ///
    /// # Panics
    ///
    /// When two rooms attach different types, which is heirloom's bug.
    #[cfg(feature = "_database")]
    pub(crate) fn attachment<T: Attached + Default>(&self) -> &T {
        let attached: &dyn Any = self
            .0
            .attachment
            .0
            .get_or_init(|| Box::new(T::default()))
            .as_ref();
        attached
            .downcast_ref()
            .expect("one room attaches to an owner: heirloom's bug")
    }

    /// Its sessions, as they are now.
    pub(super) fn sessions(&self) -> Vec<SessionView> {
        let attached = self.0.attachment.0.get();
        attached.map_or_else(Vec::new, |attached| attached.sessions())
    }
}
