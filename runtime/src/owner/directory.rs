//! The one registry of the process, behind a lock, and the question that is asked at every look-up, mostly without it.

use super::registry::{ActorId, Registry};
use super::sync::{AtomicUsize, Ordering, PoisonError, RwLock};
use std::hash::Hash;

/// A registry that many threads use.
#[derive(Debug)]
pub(crate) struct Directory<T, O> {
    pub(super) registry: RwLock<Registry<T, O>>,
    /// How many allowances there are. Written under the lock.
    pub(super) allowances: AtomicUsize,
}

impl<T: Copy + Eq + Hash, O: Clone> Directory<T, O> {
    /// Asks the registry.
    pub(crate) fn read<R>(&self, ask: impl FnOnce(&Registry<T, O>) -> R) -> R {
        ask(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the registry. Nothing of the caller's may run in there: what comes out is acted on afterwards.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut Registry<T, O>) -> R) -> R {
        let mut registry = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut registry);
        self.allowances
            .store(registry.allowances().len(), Ordering::Release);
        changed
    }

    /// Whether anything is allowed to anybody: if not, the look-up need not know which task it runs in.
    pub(crate) fn has_allowances(&self) -> bool {
        self.allowances.load(Ordering::Acquire) != 0
    }

    /// Whose sessions this task or actor was allowed to use.
    pub(crate) fn allowed(&self, task: Option<T>, actor: Option<ActorId>) -> Option<O> {
        self.read(|registry| registry.allowed(task, actor).cloned())
    }
}
