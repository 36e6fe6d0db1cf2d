//! Guards: what they entered is left when they drop, in whatever order.

use super::claim::Claim;
use super::stack::{self, Key};
use crate::owner::{ActorId, Owner, Role};
use std::cell::RefCell;
use std::marker::PhantomData;
use tracing::Span;
use tracing::span::EnteredSpan;

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

thread_local! {
    /// What is entered on a thread of a test's runtime for as long as the thread lives.
    static ENTERED: RefCell<Option<InSpan>> = const { RefCell::new(None) };
}

/// Marks this thread as one of the owner's runtime, until it is unmarked.
pub(crate) fn mark_thread(owner: Owner, span: &Span) {
    drop(stack::set_thread_owner(Some(owner)));
    let entered = InSpan::enter(span);
    let before = ENTERED.try_with(|slot| slot.replace(Some(entered)));
    drop(before);
}

/// To be called before the thread ends: the subscriber's own locals must still be there.
pub(crate) fn unmark_thread() {
    let entered = ENTERED.try_with(RefCell::take);
    drop(entered);
    drop(stack::set_thread_owner(None));
}

/// A span that is current wherever no other is entered: libraries that carry spans take the test's along, also from code
/// that nobody annotated.
#[derive(Debug)]
struct InSpan(Option<EnteredSpan>);

impl InSpan {
    fn enter(span: &Span) -> Self {
        // The thread knows its owner itself.
        Self(Some(stack::naming_the_owner(|| span.clone().entered())))
    }
}

impl Drop for InSpan {
    fn drop(&mut self) {
        let span = self.0.take();
        stack::naming_the_owner(|| drop(span));
    }
}

/// Marks this thread as one of the owner's runtime until the guard is dropped: for the thread that a test runs on,
/// which the test does not own.
pub(crate) fn mark_this_thread(owner: Owner) -> ThreadMark {
    ThreadMark {
        before: stack::set_thread_owner(Some(owner)),
        depth: stack::depth(),
        span: None,
    }
}

/// Restores whose thread it was.
#[must_use]
#[derive(Debug)]
pub(crate) struct ThreadMark {
    before: Option<Owner>,
    depth: usize,
    span: Option<InSpan>,
}

impl ThreadMark {
    /// And in this span.
    pub(crate) fn in_span(mut self, span: &Span) -> Self {
        self.span = Some(InSpan::enter(span));
        self
    }
}

impl Drop for ThreadMark {
    fn drop(&mut self) {
        // A guard that the test leaked must not stay for whoever uses the thread next.
        stack::leave_to(self.depth);
        self.span = None;
        drop(stack::set_thread_owner(self.before.take()));
    }
}
