//! What is entered on this thread, innermost last, and whose runtime the thread belongs to.
//!
//! Thread-locals, read on every look-up: nothing here allocates after the first entries or runs foreign code while
//! borrowed.

use super::births;
use super::claim::Claim;
use crate::owner::{ActorId, DIRECTORY, Owner, Role, Task};
use std::cell::{Cell, RefCell};

/// One entered scope: what left it must name it again, because spans are left out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Guard(u64),
    /// By the layer that saw it, too: two registries use the same numbers.
    Span {
        layer: u64,
        span: u64,
    },
}

/// What was entered, and where.
#[derive(Debug)]
struct Entry {
    key: Key,
    claim: Claim,
    /// The task it was entered in: with it, the outermost owned future of a task is known as what the task was born as.
    task: Option<Task>,
    /// The work that a spawn site handed to a task, which was born with it. Whatever else is entered is a scope: an owned
    /// future may be a message of somebody else's.
    birth: bool,
    /// The actor that this is the work of.
    actor: Option<ActorId>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
    static THREAD: RefCell<Option<Owner>> = const { RefCell::new(None) };
    static NAMED: Cell<bool> = const { Cell::new(false) };
    static NEXT_GUARD: Cell<u64> = const { Cell::new(0) };
}

/// A key for a guard, unique on this thread.
pub(super) fn next_guard() -> Key {
    NEXT_GUARD
        .try_with(|next| Key::Guard(next.replace(next.get().wrapping_add(1))))
        .unwrap_or(Key::Guard(u64::MAX))
}

/// Enters a guard or a span.
pub(super) fn push(key: Key, claim: Claim) {
    push_work(key, claim, false, None);
}

/// Enters an owned future or closure.
#[inline]
pub(super) fn push_work(key: Key, claim: Claim, birth: bool, actor: Option<ActorId>) {
    let task = tokio::task::try_id();
    // While a thread ends its thread-locals are gone already: nobody is left who could ask.
    let entered = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let claim = match entered.last() {
            Some(outer) if outer.task == task => claim.inside(&outer.claim),
            _ => claim,
        };
        entered.push(Entry {
            key,
            claim,
            task,
            birth,
            actor,
        });
    });
    entered.ok();
}

/// Leaves the innermost scope with this key, wherever it stands. The claim is dropped after the borrow ends: it may be
/// an owner's last clone, and dropping that runs other code.
pub(super) fn pop(key: Key) {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        // Nearly always the last.
        if entered.last()?.key == key {
            return entered.pop();
        }
        let index = entered.iter().rposition(|entry| entry.key == key)?;
        Some(entered.remove(index))
    });
    drop(left);
}

/// What holds for the code that is running on this thread: the innermost scope's claim, else an allowance, else what
/// the task was born with, else the thread's owner.
///
/// While the thread's locals are being dropped nobody knows what was entered, so nothing holds.
pub(super) fn claim() -> Option<Claim> {
    with_claim(Claim::clone)
}

/// What work that is begun by that code inherits.
#[cfg(tokio_unstable)]
pub(crate) fn inherited() -> Option<Claim> {
    claim().map(Claim::inherited)
}

/// The same for a look at it, which may clone what it sees and nothing else: the thread-local is borrowed meanwhile.
#[inline]
pub(super) fn with_claim<R>(look: impl Fn(&Claim) -> R) -> Option<R> {
    if DIRECTORY.has_allowances() || births::any() {
        return claim_in_task().as_ref().map(look);
    }
    let innermost = ENTERED.try_with(|entered| match entered.borrow().last() {
        Some(Entry { claim, .. }) if !matches!(claim, Claim::Nobody) => Some(look(claim)),
        _ => None,
    });
    innermost
        .ok()?
        .or_else(|| thread_claim().as_ref().map(look))
}

fn thread_claim() -> Option<Claim> {
    thread_owner().map(|owner| Claim::Owned(owner, Role::Heir))
}

/// The same where it matters which task is running: somebody is allowed something, or tasks are known by their births.
fn claim_in_task() -> Option<Claim> {
    let task = tokio::task::try_id();
    let Innermost {
        claim,
        here,
        in_scope,
        actor,
    } = ENTERED
        .try_with(|entered| Innermost::of(&entered.borrow(), task))
        .ok()?;
    // A scope inside the task is closer than what the task as a whole is allowed.
    let allowable = task.filter(|_| !in_scope);
    let allowed = (DIRECTORY.has_allowances() && (allowable.is_some() || actor.is_some()))
        .then(|| DIRECTORY.allowed(allowable, actor))
        .flatten();
    if let Some(owner) = allowed {
        return Some(Claim::Owned(owner, Role::Allowed));
    }
    match claim.filter(|claim| !matches!(claim, Claim::Nobody)) {
        Some(claim) if here => Some(claim),
        // What the task was born with is closer than what was entered around it, by whoever polls it.
        around => births::of(task).or(around).or_else(thread_claim),
    }
}

/// What is known of the innermost entry.
struct Innermost {
    claim: Option<Claim>,
    /// It was entered inside this task.
    here: bool,
    /// The same, and it is not what the task was born as.
    in_scope: bool,
    actor: Option<ActorId>,
}

impl Innermost {
    fn of(entered: &[Entry], task: Option<Task>) -> Self {
        let Some((last, outer)) = entered.split_last() else {
            return Self {
                claim: None,
                here: false,
                in_scope: false,
                actor: None,
            };
        };
        let here = |entry: &Entry| entry.task == task;
        let born = last.birth && !outer.last().is_some_and(here);
        Self {
            claim: Some(last.claim.clone()),
            here: here(last),
            in_scope: here(last) && !born,
            // An actor that runs inside another task is that actor still; one further out is not this code.
            actor: last.actor.filter(|_| here(last)),
        }
    }
}

/// What was allowed to the task that is running, or to the actor whose work it does: for errors.
pub(super) fn allowable() -> (Option<Task>, Option<ActorId>) {
    let task = tokio::task::try_id();
    let actor = ENTERED.try_with(|entered| Innermost::of(&entered.borrow(), task).actor);
    (task, actor.ok().flatten())
}

/// How many scopes are entered.
pub(super) fn depth() -> usize {
    ENTERED
        .try_with(|entered| entered.borrow().len())
        .unwrap_or(0)
}

/// Leaves what was entered since there were `depth` scopes.
pub(super) fn leave_to(depth: usize) {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let keep = depth.min(entered.len());
        entered.split_off(keep)
    });
    drop(left);
}

/// The owner of the runtime that this thread belongs to.
pub(super) fn thread_owner() -> Option<Owner> {
    THREAD
        .try_with(|owner| owner.borrow().clone())
        .ok()
        .flatten()
}

/// Enters or leaves a span whose owner need not be looked up, because the caller names one itself.
pub(super) fn naming_the_owner<R>(enter_or_exit: impl FnOnce() -> R) -> R {
    struct Named(bool);

    // Another layer may panic while it is told of the span.
    impl Drop for Named {
        fn drop(&mut self) {
            NAMED.try_with(|named| named.set(self.0)).ok();
        }
    }

    let _before = Named(NAMED.try_with(|named| named.replace(true)).unwrap_or(false));
    enter_or_exit()
}

/// Whether a span is being entered or left by somebody who names the owner.
pub(super) fn owner_is_named() -> bool {
    NAMED.try_with(Cell::get).unwrap_or(false)
}

/// Says whose runtime this thread belongs to; returns what was said before.
pub(super) fn set_thread_owner(owner: Option<Owner>) -> Option<Owner> {
    THREAD
        .try_with(|slot| std::mem::replace(&mut *slot.borrow_mut(), owner))
        .ok()
        .flatten()
}
