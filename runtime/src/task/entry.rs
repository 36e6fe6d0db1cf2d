//! One piece of owned work: what it is, where it was handed out, and what it is doing. It is the waker of its future, so
//! it knows when the future is woken.

use super::count::Count;
use super::flight::Flight;
use super::rest::Rest;
use super::thread::ThreadId;
use crate::error::{Place, TaskKind, TaskState, TaskView};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Wake, Waker};
use std::thread::Thread;

/// Handed to a spawn, and not polled or called yet.
const SPAWNED: u8 = 0;
/// Being polled, or called.
const RUNNING: u8 = 1;
/// Woken while it was being polled: it will be polled again.
const WOKEN_AGAIN: u8 = 2;
/// Woken, and not polled since.
const WOKEN: u8 = 3;
/// Waiting to be woken.
const PARKED: u8 = 4;
/// It waits for the others to settle, so it is not one of them.
const ASIDE: u8 = 5;
/// Finished or dropped.
const DONE: u8 = 6;

/// What is known of a piece of work from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    pub(crate) kind: TaskKind,
    /// The type of the future or closure, which names the function it was written in.
    pub(crate) name: &'static str,
    pub(crate) actor: Option<&'static str>,
    pub(crate) place: Place,
    /// Whether the task that polls it can be ended for it.
    pub(crate) may_be_ended: bool,
}

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Entry {
    what: What,
    /// Where its owner keeps it.
    pub(super) slot: usize,
    /// It is its owner's so many-th, from 1.
    pub(super) number: u64,
    count: Arc<Count>,
    state: AtomicU8,
    polls: AtomicU64,
    /// The thread that runs it, or did last; 0 for none.
    thread: AtomicU32,
    /// Set by an actor that is awaited in it.
    actor: OnceLock<&'static str>,
    /// Whom its executor wants to be woken.
    waker: Mutex<Option<Waker>>,
    runs_in: OnceLock<RunsIn>,
    /// Its owner has ended: it is dropped at the next poll.
    aborted: AtomicBool,
    /// What is known of a request.
    flight: Option<Flight>,
}

/// Where it was run first. A closure runs there until it is done.
#[derive(Debug)]
struct RunsIn {
    task: Option<tokio::task::Id>,
    thread: Thread,
    /// Nothing of its owner's is around it, so that it can be ended by itself.
    outermost: bool,
}

impl Entry {
    pub(super) fn new(
        what: What,
        flight: Option<Flight>,
        slot: usize,
        number: u64,
        count: Arc<Count>,
    ) -> Self {
        count.started_work();
        if flight.is_some() {
            count.started_work();
        }
        Self {
            what,
            slot,
            number,
            count,
            state: AtomicU8::new(SPAWNED),
            polls: AtomicU64::new(0),
            thread: AtomicU32::new(0),
            actor: OnceLock::new(),
            waker: Mutex::new(None),
            runs_in: OnceLock::new(),
            aborted: AtomicBool::new(false),
            flight,
        }
    }

    /// It is polled or called for the first time.
    pub(super) fn begins(&self, outermost: bool) {
        self.runs_in.get_or_init(|| RunsIn {
            task: tokio::task::try_id(),
            thread: std::thread::current(),
            outermost,
        });
    }

    /// Before a poll, or a call. `true` when it runs on another thread than before.
    #[inline]
    pub(super) fn runs(&self) -> bool {
        let before = self.state.swap(RUNNING, Ordering::AcqRel);
        match before {
            SPAWNED | WOKEN | RUNNING | WOKEN_AGAIN => {}
            ASIDE => self.state.store(ASIDE, Ordering::Release),
            // Polled by somebody who was not woken by it, as `select!` and `join!` do.
            _ => self.count.started_work(),
        }
        let here = ThreadId::current().map_or(0, ThreadId::number);
        let moved = self.thread.load(Ordering::Relaxed) != here;
        if moved {
            self.thread.store(here, Ordering::Relaxed);
        }
        moved
    }

    /// After a poll that did not finish it.
    #[inline]
    pub(super) fn waits(&self) {
        self.is_polled();
        let parked =
            self.state
                .compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire);
        match parked {
            Ok(_) => self.count.stopped_work(),
            Err(WOKEN_AGAIN) => self.state.store(WOKEN, Ordering::Release),
            Err(_) => {}
        }
    }

    /// Only its poller writes it here; nobody else reads more than a number.
    #[inline]
    fn is_polled(&self) {
        let polls = self.polls.load(Ordering::Relaxed);
        self.polls.store(polls + 1, Ordering::Relaxed);
    }

    fn is_woken(&self) {
        loop {
            match self.state.load(Ordering::Acquire) {
                PARKED => {
                    // Counted first: whoever sees it woken is to see it counted, too.
                    self.count.started_work();
                    if self.becomes(PARKED, WOKEN).is_ok() {
                        return;
                    }
                    self.count.stopped_work();
                }
                RUNNING if self.becomes(RUNNING, WOKEN_AGAIN).is_err() => {}
                _ => return,
            }
        }
    }

    fn becomes(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// It is finished or dropped. `false` when that was known.
    pub(super) fn ends(&self) -> bool {
        let before = self.state.swap(DONE, Ordering::AcqRel);
        match before {
            PARKED | ASIDE | DONE => {}
            _ => self.count.stopped_work(),
        }
        self.lands();
        drop(self.waker().take());
        before != DONE
    }

    /// A request is waited for no longer: its response's head is there, or its client is gone.
    pub(super) fn lands(&self) {
        if self.flight.as_ref().is_some_and(Flight::lands) {
            self.count.stopped_work();
        }
    }

    /// Of a request nothing but its response's body is left.
    pub(super) fn streams(&self) {
        if self.flight.as_ref().is_some_and(Flight::streams) {
            self.count.stopped_work();
        }
    }

    /// It has nothing to do until somebody asks it for more, who need not be woken for that.
    pub(super) fn rests(&self) {
        self.is_polled();
        let before = self.state.swap(PARKED, Ordering::AcqRel);
        if !matches!(before, PARKED | ASIDE | DONE) {
            self.count.stopped_work();
        }
        drop(self.waker().take());
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.flight.as_ref().is_some_and(Flight::is_flying)
    }

    /// It does not count until this is undone.
    pub(super) fn steps_aside(&self) {
        let before = self.state.swap(ASIDE, Ordering::AcqRel);
        if !matches!(before, PARKED | ASIDE) {
            self.count.stopped_work();
        }
    }

    /// It counts again; called while it runs, or while it is being dropped.
    pub(super) fn comes_back(&self) {
        self.count.started_work();
        let back = self
            .state
            .compare_exchange(ASIDE, RUNNING, Ordering::AcqRel, Ordering::Acquire);
        if back.is_err() {
            self.count.stopped_work();
        }
    }

    /// Whom to wake when it is woken.
    pub(super) fn set_waker(&self, waker: &Waker) {
        let before = self.waker().replace(waker.clone());
        drop(before);
    }

    /// Its owner has ended. It is ended too when it can be: when it is a task of its own.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        let waker = self.waker().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it is to end now.
    #[inline]
    pub(super) fn is_aborted(&self) -> bool {
        let is_request = || self.what.kind == TaskKind::Request;
        self.aborted.load(Ordering::Relaxed) && (is_request() || self.can_be_ended())
    }

    /// Only what is a task of its own can be ended, and a request, which its layer ends: the rest is part of somebody else's.
    pub(super) fn can_be_ended(&self) -> bool {
        if self.what.kind == TaskKind::Request {
            return self.is_polled_when_woken();
        }
        let is_task = |runs_in: &RunsIn| runs_in.outermost && runs_in.task.is_some();
        // Without unwinding there is no way to end one from inside.
        cfg!(panic = "unwind")
            && self.what.may_be_ended
            && self.what.kind == TaskKind::Task
            && self.runs_in.get().is_some_and(is_task)
            && self.is_finite()
    }

    /// Whether somebody polls it once it is woken. A body whose reader is slow is not looked at until that reads on.
    fn is_polled_when_woken(&self) -> bool {
        self.is_finite() || self.waker().is_some()
    }

    /// Whether the end of its owner has to wait for it.
    pub(super) fn is_to_end(&self) -> bool {
        self.is_finite() || (self.is_aborted() && self.is_polled_when_woken())
    }

    /// Whether it has anything to do: a thread that sleeps has not. A request has until it is answered.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        let busy = !matches!(state, PARKED | ASIDE | DONE) && !self.is_asleep();
        busy || (state != ASIDE && self.is_in_flight())
    }

    /// Whether it was woken after it had been polled by this runtime.
    pub(super) fn is_woken_on(&self, home: &Rest) -> bool {
        let last = || ThreadId::from_number(self.thread.load(Ordering::Relaxed));
        let woken = self.state.load(Ordering::Acquire) == WOKEN && !self.is_in_flight();
        woken && last().is_some_and(|last| home.has(last))
    }

    /// A closure has the thread that it runs on to itself.
    ///
    /// Not so a blocking job that is no actor: it is to end, and while it sleeps it may wait for what others do for it, a pool
    /// of rayon's, a child process.
    fn is_asleep(&self) -> bool {
        let closure = self.what.kind == TaskKind::Closure;
        let is_job = self
            .runs_in
            .get()
            .is_some_and(|runs_in| runs_in.task.is_some());
        let thread = || ThreadId::from_number(self.thread.load(Ordering::Relaxed));
        // Where nobody tells, it is at work until it is done.
        closure
            && (!is_job || self.actor().is_some())
            && thread().and_then(ThreadId::is_asleep) == Some(true)
    }

    /// It is the work of an actor that is awaited in it.
    pub(super) fn is_actor(&self, name: &'static str) {
        self.actor.get_or_init(|| name);
    }

    fn actor(&self) -> Option<&'static str> {
        self.what.actor.or_else(|| self.actor.get().copied())
    }

    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Whether it is to end some time; an actor need not, nor a response that streams for ever. What was sent is waited for by
    /// other work.
    pub(super) fn is_finite(&self) -> bool {
        let streams = self.flight.as_ref().is_some_and(Flight::is_streaming);
        self.actor().is_none()
            && self.what.kind != TaskKind::Call
            && !streams
            && self.state.load(Ordering::Acquire) != ASIDE
    }

    /// Whether it is told when its owner has ended.
    pub(super) fn hears_of_the_end(&self) -> bool {
        self.is_finite() || self.what.kind == TaskKind::Request
    }

    pub(super) fn what(&self) -> &What {
        &self.what
    }

    pub(super) fn view(&self) -> TaskView {
        let runs_in = self.runs_in.get();
        let state = match self.state.load(Ordering::Acquire) {
            SPAWNED => TaskState::Spawned,
            WOKEN => TaskState::Woken,
            PARKED | ASIDE => TaskState::Parked,
            DONE => TaskState::Done,
            _ if self.is_asleep() => TaskState::Parked,
            _ => TaskState::Running,
        };
        let thread = runs_in.map(|runs_in| {
            let unnamed = || format!("{:?}", runs_in.thread.id());
            runs_in.thread.name().map_or_else(unnamed, str::to_owned)
        });
        TaskView {
            kind: self.what.kind,
            name: self.what.name,
            actor: self.actor(),
            spawned_at: self.what.place,
            state,
            task: runs_in.and_then(|runs_in| Some(runs_in.task?.to_string())),
            thread,
            polls: self.polls.load(Ordering::Relaxed),
            request: self.flight.as_ref().map(Flight::view),
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken();
        // The executor's own waker may run other code; the lock is free by then.
        let waker = self.waker().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
