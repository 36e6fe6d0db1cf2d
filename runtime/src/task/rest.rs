//! Whether a test's own runtime has nothing to do: what no wrapper knows of was spawned there by dependencies.

use super::thread::ThreadId;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

/// A runtime's rest, as its threads tell it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many threads drive the runtime.
    workers: AtomicUsize,
    parked: AtomicUsize,
    /// How often a thread that drives it went on after it had parked.
    woken: AtomicU64,
    /// How many of its threads were asked for and have not begun yet.
    coming: AtomicUsize,
    /// All its threads: those that drive it, and those for blocking jobs.
    threads: Mutex<Vec<ThreadId>>,
}

impl Rest {
    /// Says how many threads drive it.
    pub(crate) fn set_workers(&self, workers: usize) {
        self.0.workers.store(workers, Ordering::Release);
    }

    /// A thread is about to be started, for a job that waits for it. To be called by whoever starts it.
    pub(crate) fn thread_comes(&self) {
        self.0.coming.fetch_add(1, Ordering::AcqRel);
    }

    /// This thread is one that was to come. To be called by itself.
    pub(crate) fn thread_starts(&self) {
        self.is_driven_here();
        // In this order: it is known before it is no longer expected.
        self.0.coming.fetch_sub(1, Ordering::AcqRel);
    }

    /// This thread is one of the runtime's.
    pub(crate) fn is_driven_here(&self) {
        self.threads().extend(ThreadId::current());
    }

    /// This thread is no longer one of them.
    pub(crate) fn thread_stops(&self) {
        let here = ThreadId::current();
        self.threads().retain(|thread| Some(*thread) != here);
    }

    /// This thread, which drives the runtime, found nothing to do.
    pub(crate) fn parks(&self) {
        self.0.parked.fetch_add(1, Ordering::AcqRel);
    }

    /// And goes on.
    pub(crate) fn goes_on(&self) {
        self.0.woken.fetch_add(1, Ordering::AcqRel);
        self.0.parked.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether this thread is one of them.
    pub(super) fn has(&self, thread: ThreadId) -> bool {
        self.threads().contains(&thread)
    }

    /// Whether nothing but the code that asks can ever have run on the runtime: there is nothing to wait for.
    pub(super) fn is_empty(&self, home: &Handle) -> bool {
        let alone = self.0.workers.load(Ordering::Acquire) == 1 && self.threads().len() <= 1;
        alone && self.all_have_begun() && home.metrics().num_alive_tasks() == 0
    }

    /// Looks while the runtime is at rest: `None` when it was not, all the time.
    ///
    /// To be asked by another thread than the runtime's own. A thread that drives the runtime and is asleep waits for
    /// sockets, timers and other threads, and none of them has anything for it: it would be runnable.
    pub(super) fn during<T>(&self, home: &Handle, look: impl FnOnce() -> T) -> Option<T> {
        let woken = self.0.woken.load(Ordering::Acquire);
        if !self.is_asleep(home) {
            return None;
        }
        let seen = look();
        let still = self.is_asleep(home) && self.0.woken.load(Ordering::Acquire) == woken;
        still.then_some(seen)
    }

    fn is_asleep(&self, home: &Handle) -> bool {
        let workers = self.0.workers.load(Ordering::Acquire);
        let parked = self.0.parked.load(Ordering::Acquire) == workers;
        let has_begun = self.all_have_begun();
        let mut threads = self.threads().clone().into_iter();
        parked
            && has_begun
            && home.metrics().global_queue_depth() == 0
            && threads.all(|thread| thread.is_asleep().unwrap_or(true))
    }

    fn all_have_begun(&self) -> bool {
        self.0.coming.load(Ordering::Acquire) == 0
    }

    fn threads(&self) -> MutexGuard<'_, Vec<ThreadId>> {
        self.0
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
