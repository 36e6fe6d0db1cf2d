//! Guards: what they entered is left when they drop, in whatever order.

use super::stack::{self, Claim, Key};
use crate::owner::{ActorId, Owner, Role};
use std::marker::PhantomData;

/// Makes an owner the current one on this thread until it is dropped; then what was current before is so again.
///
/// From [`Owner::enter`]. It belongs to one thread and lives for one piece of synchronous work: do not hold it across
/// an `.await`, where other tasks run on the same thread; [`owned`](crate::owned()) enters a future on every poll.
///
/// ```compile_fail,E0277
/// fn needs_send<T: Send>() {}
/// needs_send::<heirloom::Scope>(); // a scope stays on its thread
/// ```
#[must_use = "dropped at once, it leaves the scope at once: bind it, `let _scope = …`"]
#[derive(Debug)]
pub struct Scope {
    key: Key,
    not_send: PhantomData<*const ()>,
}

impl Scope {
    pub(super) fn enter(claim: Claim) -> Self {
        let key = stack::next_guard();
        stack::push(key, claim);
        Self {
            key,
            not_send: PhantomData,
        }
    }

    /// The same for an owned future or closure, which may be what a task was born with, or an actor's.
    pub(super) fn enter_work(claim: Claim, birth: bool, actor: Option<ActorId>) -> Self {
        let key = stack::next_guard();
        stack::push_work(key, claim, birth, actor);
        Self {
            key,
            not_send: PhantomData,
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        stack::pop(self.key);
    }
}

impl Owner {
    /// Makes this owner the current one on this thread until the guard is dropped.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let scope = sandbox.owner().enter();
    /// assert_eq!(heirloom::current().as_ref(), Some(sandbox.owner()));
    /// drop(scope);
    /// # Ok(()) });
    /// ```
    pub fn enter(&self) -> Scope {
        Scope::enter(Claim::Owned(self.clone(), Role::Owner))
    }
}

/// Marks this thread as one of the owner's runtime, for as long as the thread lives.
pub(crate) fn mark_thread(owner: Owner) {
    drop(stack::set_thread_owner(Some(owner)));
}

/// Marks this thread as one of the owner's runtime until the guard is dropped: for the thread that a test runs on,
/// which the test does not own.
pub(crate) fn mark_this_thread(owner: Owner) -> ThreadMark {
    ThreadMark {
        before: stack::set_thread_owner(Some(owner)),
        depth: stack::depth(),
    }
}

/// Restores whose thread it was.
#[must_use]
#[derive(Debug)]
pub(crate) struct ThreadMark {
    before: Option<Owner>,
    depth: usize,
}

impl Drop for ThreadMark {
    fn drop(&mut self) {
        // A guard that the test leaked must not stay for whoever uses the thread next.
        stack::leave_to(self.depth);
        drop(stack::set_thread_owner(self.before.take()));
    }
}
