//! What a room above keeps for an owner. The type is that room's.

use super::Owner;
use std::any::Any;
use std::sync::OnceLock;

#[derive(Default)]
pub(super) struct Slot(OnceLock<Box<dyn Any + Send + Sync>>);

impl Owner {
    /// What the room above keeps for this owner; made on first use.
    ///
    /// # Panics
    ///
    /// When two rooms attach different types, which is heirloom's bug.
    pub(crate) fn attachment<T: Any + Send + Sync + Default>(&self) -> &T {
        self.0
            .attachment
            .0
            .get_or_init(|| Box::new(T::default()))
            .downcast_ref()
            .expect("one room attaches to an owner: heirloom's bug")
    }
}
