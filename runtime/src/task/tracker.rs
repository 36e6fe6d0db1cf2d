//! What an owner's work is doing: every owned future, closure and message, until it is done.

use super::count::{Count, Moment};
use super::entry::{Entry, What};
use super::flight::Flight;
use super::rest::Rest;
use super::thread::ThreadId;
use crate::error::{Panicked, Place, TaskState, TaskView};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An owner's work. Attached to it by this room.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    count: Arc<Count>,
    work: Mutex<Work>,
    /// Something was finished while somebody waits on a thread.
    finished: Condvar,
    panics: Mutex<Vec<Panicked>>,
    /// Where futures were polled.
    threads: Mutex<Vec<ThreadId>>,
}

#[derive(Debug, Default)]
struct Work {
    slots: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
    waiting: bool,
    /// How many there have been.
    begun: u64,
    /// Where the last one comes from.
    last: Option<Place>,
    /// What begins now begins too late.
    aborted: bool,
}

/// How often each piece of work was polled, by its slot.
pub(super) type Polls = HashMap<usize, u64>;

/// Threads that are awake, and for how long they have been at work.
pub(super) type Awake = HashMap<ThreadId, Duration>;

impl Tracker {
    /// A new piece of work, which counts from now on.
    pub(super) fn enters(&self, what: What, flight: Option<Flight>) -> Arc<Entry> {
        let mut work = self.lock();
        work.begun += 1;
        work.last = Some(what.place);
        let slot = work.free.pop().unwrap_or(work.slots.len());
        let count = Arc::clone(&self.count);
        let entry = Arc::new(Entry::new(what, flight, slot, work.begun, count));
        if slot == work.slots.len() {
            work.slots.push(None);
        }
        work.slots[slot] = Some(Arc::clone(&entry));
        if work.aborted && entry.hears_of_the_end() {
            // Such as a WebSocket's work: its upgrade was answered before the end, and is done after it.
            entry.abort();
        }
        entry
    }

    /// It is finished or dropped.
    pub(super) fn leaves(&self, entry: &Entry) {
        if !entry.ends() {
            return;
        }
        let mut work = self.lock();
        let left = work.slots[entry.slot].take();
        work.free.push(entry.slot);
        let waiting = work.waiting;
        drop(work);
        drop(left);
        if waiting {
            self.finished.notify_all();
        }
    }

    /// The work in this slot.
    pub(super) fn entry(&self, slot: usize) -> Option<Arc<Entry>> {
        self.lock().slots.get(slot)?.clone()
    }

    /// It panicked; whoever joins it may or may not look at that.
    pub(super) fn panicked(&self, panicked: Panicked) {
        self.panics().push(panicked);
    }

    /// What panicked since this was asked last.
    pub(crate) fn take_panics(&self) -> Vec<Panicked> {
        std::mem::take(&mut *self.panics())
    }

    /// Which pieces of work have something to do, or were polled since then, when there had been so many.
    pub(super) fn busy(&self, since: &Polls, begun: u64) -> Vec<TaskView> {
        let polled = |entry: &Entry| {
            since
                .get(&entry.slot)
                .is_some_and(|polls| *polls != entry.polls())
        };
        // Where work is begun all the time, what is alive just now says nothing.
        let lasts = |entry: &Entry| entry.number <= begun;
        let mut busy = self.views(|entry| lasts(entry) && (entry.is_busy() || polled(entry)));
        for view in &mut busy {
            let in_flight = view.request.as_ref().is_some_and(|it| it.in_flight);
            // Seen between two polls, or just before it ended.
            match view.state {
                TaskState::Parked if in_flight => {}
                TaskState::Parked => view.state = TaskState::Woken,
                TaskState::Done => view.state = TaskState::Running,
                _ => {}
            }
        }
        busy
    }

    /// Whether anything was polled or has ended since then, or was begun, when there had been so many.
    pub(super) fn has_moved(&self, since: &Polls, begun: u64) -> bool {
        self.begun() != begun || self.polls() != *since
    }

    /// Which pieces of work wait for something.
    pub(super) fn waiting(&self) -> Vec<TaskView> {
        let mut waiting = self.views(Entry::is_finite);
        waiting.retain(|view| view.state == TaskState::Parked);
        waiting
    }

    /// How many pieces of work there have been.
    pub(super) fn begun(&self) -> u64 {
        self.lock().begun
    }

    /// How many there have been after the first so many, and where the last one comes from.
    pub(super) fn begun_since(&self, before: u64) -> Option<(u64, Place)> {
        let work = self.lock();
        let more = work.begun.checked_sub(before).filter(|more| *more > 0)?;
        Some((more, work.last?))
    }

    /// Whether anything has something to do.
    ///
    /// At a home that is at rest nothing is going to run that was woken: nobody polls for it any more.
    pub(super) fn is_busy(&self, home: Option<&Rest>) -> bool {
        let is_busy = |entry: &Arc<Entry>| {
            let rests = || home.is_some_and(|home| entry.is_woken_on(home));
            entry.is_busy() && !rests()
        };
        self.moment().is_busy() && self.entries().iter().any(is_busy)
    }

    /// A future runs on this thread.
    #[cold]
    pub(super) fn runs_here(&self) {
        let mut threads = self.threads();
        if let Some(here) = ThreadId::current().filter(|here| !threads.contains(here)) {
            threads.push(here);
        }
    }

    /// The threads that poll futures and are awake, and for how long each has been at work so far. It may be about to wake one
    /// of them: tokio keeps those that yield until it has looked for what sockets bring.
    pub(super) fn awake(&self) -> Awake {
        let mut threads = self.threads();
        threads.retain(|thread| thread.is_asleep().is_some());
        let awake = threads.iter().filter(|it| it.is_asleep() == Some(false));
        awake
            .map(|thread| (*thread, thread.worked().unwrap_or_default()))
            .collect()
    }

    /// How often each piece of work was polled.
    pub(super) fn polls(&self) -> Polls {
        let entries = self.entries().into_iter();
        entries.map(|entry| (entry.slot, entry.polls())).collect()
    }

    pub(super) fn moment(&self) -> Moment {
        self.count.now()
    }

    /// Whether there is any work at all.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().slots.iter().all(Option::is_none)
    }

    /// What is to end some time, and has not.
    pub(crate) fn unfinished(&self) -> Vec<TaskView> {
        self.views(Entry::is_finite)
    }

    /// Whether all has ended that is to end some time.
    pub(super) fn is_finished(&self) -> bool {
        !self
            .lock()
            .slots
            .iter()
            .flatten()
            .any(|entry| entry.is_finite())
    }

    /// Whether nothing is left that can be ended from outside, besides what waits for that.
    pub(super) fn has_none_to_end(&self) -> bool {
        let work = self.lock();
        let mut left = work.slots.iter().flatten();
        !left.any(|entry| entry.can_be_ended())
    }

    fn views(&self, which: impl Fn(&Entry) -> bool) -> Vec<TaskView> {
        let entries = self.entries();
        let chosen = entries.iter().filter(|entry| which(entry));
        chosen.map(|entry| entry.view()).collect()
    }

    /// They are looked at one by one, without the lock: that may take a while.
    fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().slots.iter().flatten().cloned().collect()
    }

    /// Ends whatever can be ended from outside: tasks on other runtimes than the owner's own. Actors live on there, as others
    /// may know them; what they ask of the owner's sessions is refused.
    pub(crate) fn abort_all(&self) {
        self.lock().aborted = true;
        let entries = self.entries();
        for entry in entries.iter().filter(|entry| entry.hears_of_the_end()) {
            entry.abort();
        }
    }

    /// Blocks until everything has ended that is to end some time, or the time is up. `true` when it has.
    pub(crate) fn wait_until_finished(&self, deadline: Instant) -> bool {
        let mut work = self.lock();
        work.waiting = true;
        while work.slots.iter().flatten().any(|entry| entry.is_to_end()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.finished.wait_timeout(work, left);
            work = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<ThreadId>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn panics(&self) -> MutexGuard<'_, Vec<Panicked>> {
        self.panics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
