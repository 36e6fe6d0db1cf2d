//! What an owned future or closure tells its owner of itself.

use super::entry::{Entry, What};
use super::flight::{Flight, Line};
use super::tracker::Tracker;
use crate::context::Carrier;
use crate::error::{Panicked, Place, TaskKind};
use crate::owner::{Life, Owner, OwnerId, Task};
use std::any::{Any, type_name};
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A piece of work's place among its owner's. Dropped, the work is over.
#[derive(Default)]
pub(crate) struct Tracked(State);

#[derive(Default)]
enum State {
    /// Nobody's, or part of what is tracked already.
    #[default]
    Untracked,
    /// Tracked from its first poll on: it is made by calling a function, and may never be polled.
    Called(What),
    Live(Live),
    /// The test itself, which everything else is part of or waits for.
    Root(OwnerId),
}

struct Live {
    owner: Owner,
    entry: Arc<Entry>,
    /// The entry, for whoever wakes the future.
    waker: Waker,
    /// Whom the entry wakes.
    woken: Option<Waker>,
    begun: bool,
}

/// The work that runs on this thread.
#[derive(Clone, Copy)]
struct Around {
    owner: OwnerId,
    task: Option<Task>,
    /// Where its owner keeps it; a test's own future is not kept.
    slot: Option<usize>,
}

thread_local! {
    static AROUND: Cell<Option<Around>> = const { Cell::new(None) };
}

fn around() -> Option<Around> {
    AROUND.try_with(Cell::get).ok().flatten()
}

/// Whether work of this owner's is running in this task.
fn is_around(owner: &Owner) -> bool {
    let task = tokio::task::try_id();
    around().is_some_and(|around| around.task == task && around.owner == owner.id())
}

impl Tracked {
    /// The test's own future.
    pub(crate) fn root(owner: &Owner) -> Self {
        Self(State::Root(owner.id()))
    }

    /// A future that is handed to a spawn.
    pub(crate) fn future<F>(carrier: &Carrier, at: &'static Location<'static>) -> Self {
        Self::spawned(carrier, What::of::<F>(TaskKind::Task, carrier, at))
    }

    /// A future that somebody runs for its owner.
    pub(super) fn lent<F>(carrier: &Carrier, at: &'static Location<'static>) -> Self {
        let what = What::of::<F>(TaskKind::Task, carrier, at);
        Self::spawned(carrier, what.part_of_others())
    }

    /// A message, from when it is sent, or only from when it is worked on.
    pub(super) fn message<T>(
        carrier: &Carrier,
        at: &'static Location<'static>,
        standing: bool,
    ) -> Self {
        let what = What::of::<T>(TaskKind::Message, carrier, at).part_of_others();
        match carrier.owner() {
            Some(_) if standing => Self(State::Called(what)),
            _ => Self::spawned(carrier, what),
        }
    }

    /// A closure that is handed to a spawn.
    pub(crate) fn closure<F>(carrier: &Carrier, at: &'static Location<'static>) -> Self {
        Self::spawned(carrier, What::of::<F>(TaskKind::Closure, carrier, at))
    }

    /// A future that was made by calling an `async fn`.
    pub(crate) fn called<F>(carrier: &Carrier, at: &'static Location<'static>) -> Self {
        match carrier.owner() {
            Some(_) => {
                let what = What::of::<F>(TaskKind::Task, carrier, at);
                Self(State::Called(what.part_of_others()))
            }
            None => Self(State::Untracked),
        }
    }

    /// A closure that runs from now until this is dropped.
    pub(super) fn entered(carrier: &Carrier, at: &'static Location<'static>) -> Self {
        // Its type is not known here, and it is called by name nowhere.
        let mut tracked = Self::closure::<()>(carrier, at);
        tracked.begin(carrier);
        if let State::Live(live) = &tracked.0 {
            live.entry.runs();
        }
        tracked
    }

    fn spawned(carrier: &Carrier, what: What) -> Self {
        match carrier.owner() {
            // Who spawns it goes on after its owner's end, and may wait for it: an actor that handles a message too late.
            // So it goes on, too, refused its owner's sessions.
            Some(owner) if owner.life() == Life::Ended && is_around(owner) => {
                let what = what.part_of_others();
                Self(State::Live(Live::new(owner.clone(), what, None)))
            }
            Some(owner) => Self(State::Live(Live::new(owner.clone(), what, None))),
            None => Self(State::Untracked),
        }
    }

    /// It is the work of an actor of this name.
    pub(super) fn named(&mut self, actor: &'static str) {
        match &mut self.0 {
            State::Called(what) => what.actor = Some(actor),
            State::Live(live) => {
                let what = What {
                    actor: Some(actor),
                    ..*live.entry.what()
                };
                *live = Live::new(live.owner.clone(), what, None);
            }
            State::Untracked | State::Root(_) => {}
        }
    }

    /// Whether its owner has ended, and it is to end now, as a task of its own can.
    #[inline]
    pub(crate) fn is_aborted(&self) -> bool {
        matches!(&self.0, State::Live(live) if live.entry.is_aborted())
    }

    /// Ends the task that polls it, as its test has ended; to be called when it has been dropped.
    pub(crate) fn abort(&mut self) -> ! {
        let State::Live(live) = std::mem::replace(&mut self.0, State::Untracked) else {
            unreachable!("only what is tracked is aborted: heirloom's bug")
        };
        let text = format!(
            "aborted by heirloom: its owner `{}` has ended",
            live.owner.name()
        );
        drop(live);
        // Unwinding is all that ends a task from inside. The panic hook is not called, so nothing is printed.
        resume_unwind(Box::new(text))
    }

    /// Polls it, through a waker that tells when it is woken.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        carrier: &Carrier,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.begin(carrier);
        match &mut self.0 {
            State::Untracked | State::Called(_) => poll(cx),
            State::Root(owner) => {
                let _around = Entered::with(*owner, None);
                poll(cx)
            }
            State::Live(live) => live.poll(cx, poll),
        }
    }

    /// Calls it.
    pub(super) fn call<R>(mut self, carrier: &Carrier, call: impl FnOnce() -> R) -> R {
        self.begin(carrier);
        match &self.0 {
            State::Live(live) => {
                live.entry.runs();
                live.watched(call)
            }
            _ => call(),
        }
    }

    /// Before the first poll or call: what is part of work that is tracked needs no tracking of its own.
    #[inline]
    pub(super) fn begin(&mut self, carrier: &Carrier) {
        let owner = match &mut self.0 {
            State::Live(live) if live.begun => return,
            State::Live(live) if live.entry.what().kind == TaskKind::Request => {
                live.begun = true;
                live.entry.begins(false);
                return;
            }
            State::Live(live) => live.owner.id(),
            State::Called(_) => match carrier.owner() {
                Some(owner) => owner.id(),
                None => return,
            },
            _ => return,
        };
        let task = tokio::task::try_id();
        let around = around().filter(|around| around.task == task);
        if let Some(around) = around.filter(|around| around.owner == owner) {
            self.becomes_part(carrier.owner(), around.slot);
            return;
        }
        if let (State::Called(what), Some(owner)) = (&self.0, carrier.owner()) {
            self.0 = State::Live(Live::new(owner.clone(), *what, None));
        }
        if let State::Live(live) = &mut self.0 {
            live.begun = true;
            live.entry.begins(around.is_none());
        }
    }
}

/// Requests.
#[cfg_attr(not(feature = "tower"), allow(dead_code, reason = "nobody makes any"))]
impl Tracked {
    /// A request that is handled: work of its own wherever it is polled, be it in a task of its owner's.
    pub(crate) fn request<F>(carrier: &Carrier, at: Place, line: Line) -> Self {
        Self::flight::<F>(TaskKind::Request, carrier, at, line)
    }

    /// A request that is sent, and that nobody polls here.
    pub(crate) fn sent<F>(carrier: &Carrier, at: Place, line: Line) -> Self {
        let mut tracked = Self::flight::<F>(TaskKind::Call, carrier, at, line);
        tracked.rests();
        tracked
    }

    fn flight<F>(kind: TaskKind, carrier: &Carrier, at: Place, line: Line) -> Self {
        let Some(owner) = carrier.owner() else {
            return Self(State::Untracked);
        };
        let what = What {
            kind,
            name: type_name::<F>(),
            actor: None,
            place: at,
            may_be_ended: true,
        };
        Self(State::Live(Live::new(
            owner.clone(),
            what,
            Some(Flight::starts(line)),
        )))
    }

    /// Runs a part of it now: its panic is its owner's to know.
    pub(crate) fn run<R>(&mut self, carrier: &Carrier, run: impl FnOnce() -> R) -> R {
        self.begin(carrier);
        match &self.0 {
            State::Live(live) => {
                live.entry.runs();
                live.watched(run)
            }
            _ => run(),
        }
    }

    /// Its client is gone.
    pub(crate) fn lands(&self) {
        if let State::Live(live) = &self.0 {
            live.entry.lands();
        }
    }

    /// Its response's head is there, and its body is to follow.
    pub(crate) fn streams(&self) {
        if let State::Live(live) = &self.0 {
            live.entry.streams();
        }
    }

    /// It does nothing until it is polled, and nobody has to be woken for that.
    pub(crate) fn rests(&mut self) {
        if let State::Live(live) = &mut self.0 {
            live.entry.rests();
            live.woken = None;
        }
    }
}

impl Tracked {
    /// It runs inside of what is tracked already, which is its owner's as well.
    #[cold]
    fn becomes_part(&mut self, owner: Option<&Owner>, slot: Option<usize>) {
        let actor = match &self.0 {
            State::Live(live) => live.entry.what().actor,
            State::Called(what) => what.actor,
            State::Untracked | State::Root(_) => None,
        };
        let whole = owner.and_then(|owner| owner.work::<Tracker>().entry(slot?));
        if let (Some(actor), Some(whole)) = (actor, whole) {
            whole.is_actor(actor);
        }
        self.0 = State::Untracked;
    }
}

impl What {
    fn of<F>(kind: TaskKind, carrier: &Carrier, at: &'static Location<'static>) -> Self {
        Self {
            kind,
            name: type_name::<F>(),
            actor: carrier.actor_name(),
            place: at.into(),
            may_be_ended: true,
        }
    }

    /// It may be a part of somebody else's task, which must not end with it.
    fn part_of_others(self) -> Self {
        Self {
            may_be_ended: false,
            ..self
        }
    }
}

impl Live {
    fn new(owner: Owner, what: What, flight: Option<Flight>) -> Self {
        let entry = owner.work::<Tracker>().enters(what, flight);
        Self {
            waker: Waker::from(Arc::clone(&entry)),
            entry,
            owner,
            woken: None,
            begun: false,
        }
    }

    fn poll<R>(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let same = self
            .woken
            .as_ref()
            .is_some_and(|woken| woken.will_wake(cx.waker()));
        if !same {
            self.entry.set_waker(cx.waker());
            self.woken = Some(cx.waker().clone());
        }
        if self.entry.runs() {
            self.owner.work::<Tracker>().runs_here();
        }
        let polled = self.watched(|| poll(&mut Context::from_waker(&self.waker)));
        if polled.is_pending() {
            self.entry.waits();
        }
        polled
    }

    /// Runs it; should it panic, its owner is told, in case nobody joins it.
    fn watched<R>(&self, run: impl FnOnce() -> R) -> R {
        let _around = Entered::with(self.owner.id(), Some(self.entry.slot));
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(done) => done,
            Err(panic) => {
                self.panicked(panic.as_ref());
                resume_unwind(panic)
            }
        }
    }

    #[cold]
    fn panicked(&self, panic: &(dyn Any + Send)) {
        self.owner.work::<Tracker>().panicked(Panicked {
            task: self.entry.view(),
            message: crate::error::panic_message(panic).to_owned(),
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.owner.work::<Tracker>().leaves(&self.entry);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Live(live) => write!(f, "{}", live.entry.view()),
            _ => f.write_str("untracked"),
        }
    }
}

/// Work runs on this thread until this is dropped.
struct Entered(Option<Around>);

impl Entered {
    #[inline]
    fn with(owner: OwnerId, slot: Option<usize>) -> Self {
        let task = tokio::task::try_id();
        let here = Some(Around { owner, task, slot });
        // While a thread ends its locals are gone, and nobody asks any more.
        let before = AROUND.try_with(|around| around.replace(here));
        Self(before.ok().flatten())
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        AROUND.try_with(|around| around.set(self.0)).ok();
    }
}

/// Takes the work that runs here aside until this is dropped: it waits for the others, so nobody is to wait for it.
#[derive(Debug)]
pub(super) struct Aside(Option<Arc<Entry>>);

impl Aside {
    pub(super) fn step(owner: &Owner) -> Self {
        let slot = around()
            .filter(|around| around.owner == owner.id())
            .and_then(|around| around.slot);
        let entry = slot.and_then(|slot| owner.work::<Tracker>().entry(slot));
        if let Some(entry) = &entry {
            entry.steps_aside();
        }
        Self(entry)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(entry) = &self.0 {
            entry.comes_back();
        }
    }
}
