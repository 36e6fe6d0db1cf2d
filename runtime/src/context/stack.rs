//! What is entered on this thread, innermost last, and whose runtime the thread belongs to.
//!
//! Thread-locals, read on every look-up: nothing here allocates after the first entries or runs foreign code while
//! borrowed.

use crate::error::Place;
use crate::owner::Owner;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

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

/// What a scope says about ownership.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// Everything inside belongs to this owner.
    Owned(Owner),
    /// Everything inside belongs to nobody, on purpose: `#[unowned("why")]`.
    Unowned(Arc<Exemption>),
}

/// Why something belongs to nobody, and where that is written.
#[derive(Debug)]
pub(crate) struct Exemption {
    pub(crate) why: &'static str,
    pub(crate) at: Place,
}

thread_local! {
    static ENTERED: RefCell<Vec<(Key, Claim)>> = const { RefCell::new(Vec::new()) };
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

pub(super) fn push(key: Key, claim: Claim) {
    // While a thread ends its thread-locals are gone already: nobody is left who could ask.
    ENTERED
        .try_with(|entered| entered.borrow_mut().push((key, claim)))
        .ok();
}

/// Leaves the innermost scope with this key, wherever it stands. The claim is dropped after the borrow ends: it may be
/// an owner's last clone, and dropping that runs other code.
pub(super) fn pop(key: Key) {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let index = entered.iter().rposition(|(entry, _)| *entry == key)?;
        Some(entered.remove(index))
    });
    drop(left);
}

/// What holds for the code that is running on this thread: the innermost scope's claim, else the thread's owner.
///
/// While the thread's locals are being dropped nobody knows what was entered, so nothing holds.
pub(super) fn claim() -> Option<Claim> {
    let innermost =
        ENTERED.try_with(|entered| entered.borrow().last().map(|(_, claim)| claim.clone()));
    innermost.ok()?.or_else(|| thread_owner().map(Claim::Owned))
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
