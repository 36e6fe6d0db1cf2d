//! What tasks were born with, on runtimes that tell of every spawn: the owner of whoever spawned them.
//!
//! A task is found by its id, so nothing has to be entered or left when it is polled, and what it holds is dropped as
//! its owner's also where that is no poll: when its runtime goes.

use super::claim::Claim;
use crate::error::Place;
use crate::owner::{Owner, Task};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

struct Birth {
    claim: Claim,
    at: Place,
    /// On whose runtime.
    family: u64,
}

type Known = HashMap<Task, Birth>;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// How many births are known. Written under the lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The last task that ended on this thread before it was known.
    static STILLBORN: Cell<Option<Task>> = const { Cell::new(None) };
}

/// The tasks of one runtime. They are forgotten with it, whatever its hooks have missed.
#[derive(Debug)]
pub(crate) struct Family(u64);

impl Family {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A task was spawned, by code which hands this on.
    pub(crate) fn spawned(&self, task: Task, at: Place, inherited: impl FnOnce() -> Option<Claim>) {
        // A runtime that shuts down ends a task first and tells of its spawn afterwards.
        if STILLBORN.try_with(Cell::get).ok().flatten() == Some(task) {
            return;
        }
        let Some(claim) = inherited() else {
            return;
        };
        let birth = Birth {
            claim,
            at,
            family: self.0,
        };
        change(|known| known.insert(task, birth));
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let of_family = |_: &Task, birth: &mut Birth| birth.family == self.0;
        change(|known| known.extract_if(of_family).collect::<Vec<_>>());
    }
}

/// A task has ended: what it held is dropped. Also told of tasks that nobody was told the spawn of.
pub(crate) fn ended(task: Task) {
    if any() && change(|known| known.remove(&task)).is_some() {
        return;
    }
    STILLBORN.try_with(|last| last.set(Some(task))).ok();
}

/// What comes out is dropped without the lock: it may be an owner's last clone, and dropping that runs other code.
fn change<R>(change: impl FnOnce(&mut Known) -> R) -> R {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let changed = change(&mut known);
    COUNT.store(known.len(), Ordering::Release);
    drop(known);
    changed
}

fn read<R>(ask: impl FnOnce(&Known) -> R) -> R {
    ask(&KNOWN.read().unwrap_or_else(PoisonError::into_inner))
}

/// Whether any task is known at all: if not, the look-up need not know which one it runs in.
pub(super) fn any() -> bool {
    COUNT.load(Ordering::Acquire) != 0
}

/// What a task was born with.
pub(super) fn of(task: Option<Task>) -> Option<Claim> {
    let task = task.filter(|_| any())?;
    read(|known| known.get(&task).map(|birth| birth.claim.clone()))
}

/// The tasks that were born as this owner's heirs and have not ended, and where they were spawned.
pub(crate) fn tasks_of(owner: &Owner) -> Vec<(Task, Place)> {
    let is_heir = |birth: &Birth| matches!(&birth.claim, Claim::Owned(whose, _) if whose == owner);
    read(|known| {
        let heirs = known.iter().filter(|(_, birth)| is_heir(birth));
        heirs.map(|(task, birth)| (*task, birth.at)).collect()
    })
}
