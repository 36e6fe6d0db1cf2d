//! Waiting until nothing of an owner's is under way.

use super::count::Moment;
use super::rest::Rest;
use super::tracked::Aside;
use super::tracker::{Awake, Polls, Tracker};
use crate::alarm::{self, Due};
use crate::error::{Busy, TaskKind, TaskState, TaskView};
use crate::owner::Owner;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Tells what is in flight outside of the owner's tasks: database calls, requests. Asked on a thread of its own, where it
/// may block for a moment.
pub(crate) type InFlight = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Nothing is running, woken, or in flight; what waits for something else may stay.
    Settled,
    /// Everything has ended that is to end some time.
    Joined,
    /// Every task has ended that was told to.
    #[cfg_attr(
        not(feature = "_database"),
        allow(dead_code, reason = "owners are tests")
    )]
    Aborted,
}

/// The owner whose work is waited for, and where else it may be found.
pub(crate) struct Watched {
    pub(crate) owner: Owner,
    /// Its own runtime, if it has one.
    pub(crate) home: Option<(Rest, Handle)>,
    pub(crate) in_flight: InFlight,
    /// Whether nothing but the wait is polled by the thread that waits: no `LocalSet`, which its runtime does not count.
    pub(crate) alone: bool,
}

/// How long settling may take, if nobody says otherwise. From the design.
pub(crate) const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks: short at first, as most tests settle at once, then longer, so that waiting costs nothing.
const FIRST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(1);

/// For how long a thread is to be at work without anything of the owner's happening, until it is taken to be at something
/// else. Not by the clock: it may have to wait for a processor for much longer.
const BY_ITSELF: Duration = Duration::from_millis(50);

/// How long everything is to have ended where the runtime is never at rest, be it because of an actor: what was spawned and
/// not polled yet may belong to the test, and is not known before.
const ALL_POLLED: Duration = Duration::from_millis(100);

/// For how long it is looked who is still polled when the time is up; again and again, as long as nobody is seen, or
/// nobody but who may wait for a processor: the machine may only be slow.
const LAST: Duration = Duration::from_millis(20);
const LAST_LOOKS: u32 = 10;

/// Waits.
///
/// # Errors
///
/// What was still busy when the time was up.
pub(crate) async fn wait(watched: Watched, until: Until, limit: Duration) -> Result<(), Busy> {
    let _aside = Aside::step(&watched.owner);
    if watched.alone && watched.has_nothing(until) {
        return Ok(());
    }
    let look = Arc::new(Look::new(watched, until, limit));
    look.again(Duration::ZERO);
    poll_fn(|cx| {
        let mut state = look.state();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        let before = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(before);
        Poll::Pending
    })
    .await
}

/// Ends the owner's tasks where they wait, as far as they are tasks of their own, and waits until nothing is left of them.
#[cfg(feature = "_database")]
pub(crate) async fn abort(owner: &Owner, patience: Duration) {
    let tracker: &Tracker = owner.work();
    tracker.abort_all();
    if tracker.has_none_to_end() {
        return;
    }
    let watched = Watched {
        owner: owner.clone(),
        home: None,
        in_flight: Box::new(Vec::new),
        alone: false,
    };
    // What is left uses a session that it cannot have any more, and is told so.
    wait(watched, Until::Aborted, patience).await.ok();
}

impl Watched {
    /// Most tests spawn nothing, and are not to wait for another thread to find that out.
    fn has_nothing(&self, until: Until) -> bool {
        let nothing_runs = match &self.home {
            Some((rest, home)) => rest.is_empty(home),
            None => true,
        };
        nothing_runs
            && self.owner.work::<Tracker>().is_empty()
            && (until == Until::Joined || (self.in_flight)().is_empty())
    }
}

/// Looks again and again, on the thread of the alarms, until there is an answer or nobody waits for it.
struct Look {
    watched: Watched,
    until: Until,
    /// How much work there had been before.
    begun: u64,
    deadline: Option<Instant>,
    state: Mutex<State>,
}

struct State {
    answer: Option<Result<(), Busy>>,
    waker: Option<Waker>,
    pause: Duration,
    /// The last moment at which nothing was busy, and who has been awake since it was seen first.
    quiet: Option<(Moment, Awake)>,
    /// Since when all that is to end has ended.
    finished: Option<Instant>,
    /// Once the time is up.
    last: Option<Last>,
}

/// What is known of the moment when the time was up: who is polled from then on is busy, although it may not be so when it is
/// looked at, and so is who spawns.
struct Last {
    polls: Polls,
    begun: u64,
    looks: u32,
}

impl Due for Look {
    fn due(self: Arc<Self>) {
        let reached = self.is_reached();
        let late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        let last = self.state().last.take();
        let answer = match last {
            _ if reached => Ok(()),
            Some(last) => match self.tells(&last) {
                Some(busy) => Err(busy),
                None => return self.looks_once_more(last),
            },
            None if late => return self.looks_once_more(self.last()),
            None => return self.again(self.next_pause()),
        };
        let mut state = self.state();
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Look {
    fn new(watched: Watched, until: Until, limit: Duration) -> Self {
        Self {
            begun: watched.owner.work::<Tracker>().begun(),
            watched,
            until,
            deadline: Instant::now().checked_add(limit),
            state: Mutex::new(State {
                answer: None,
                waker: None,
                pause: FIRST,
                quiet: None,
                finished: None,
                last: None,
            }),
        }
    }

    fn next_pause(&self) -> Duration {
        let mut state = self.state();
        let longer = (state.pause * 2).min(LONGEST);
        std::mem::replace(&mut state.pause, longer)
    }

    fn again(self: &Arc<Self>, pause: Duration) {
        let this: Arc<dyn Due> = self.clone();
        alarm::at(Instant::now() + pause, Arc::downgrade(&this));
    }

    fn looks_once_more(self: &Arc<Self>, last: Last) {
        let looks = last.looks + 1;
        self.state().last = Some(Last { looks, ..last });
        self.again(LAST);
    }

    fn tracker(&self) -> &Tracker {
        self.watched.owner.work()
    }

    fn is_reached(&self) -> bool {
        match self.until {
            Until::Joined => self.is_finished(),
            Until::Aborted => self.tracker().has_none_to_end(),
            Until::Settled => match &self.watched.home {
                Some((rest, home)) => rest.during(home, || self.is_quiet()).unwrap_or(false),
                None => self.is_quiet(),
            },
        }
    }

    /// All that is to end has ended, and nothing is on its way that nobody has polled yet.
    fn is_finished(&self) -> bool {
        let finished = || self.tracker().is_finished();
        let at_rest = match &self.watched.home {
            Some((rest, home)) => rest.during(home, finished),
            None => Some(finished()),
        };
        let since = match at_rest {
            Some(finished) => return finished,
            None if !finished() => None,
            None => Some(self.state().finished.unwrap_or_else(Instant::now)),
        };
        self.state().finished = since;
        since.is_some_and(|since| since.elapsed() >= ALL_POLLED)
    }

    /// Nothing is busy from before it is looked for what is in flight until after that.
    fn is_quiet(&self) -> bool {
        let moment = self.tracker().moment();
        let home = self.watched.home.as_ref().map(|(rest, _)| rest);
        let quiet = !self.tracker().is_busy(home)
            && self.lasts(moment)
            && (self.watched.in_flight)().is_empty()
            && self.tracker().moment() == moment
            && !self.tracker().is_busy(home);
        if !quiet && self.tracker().moment() != moment {
            self.state().quiet = None;
        }
        quiet
    }

    /// Whether this moment is sure to last: each thread that polls futures has slept since it began, or has been at work for a
    /// while, as others' work may keep it awake for ever.
    fn lasts(&self, moment: Moment) -> bool {
        let now = self.tracker().awake();
        let mut state = self.state();
        let awake = match state.quiet.take() {
            Some((same, mut awake)) if same == moment => {
                awake.retain(|thread, before| {
                    let worked = now.get(thread).map(|now| now.saturating_sub(*before));
                    worked.is_some_and(|worked| worked < BY_ITSELF)
                });
                awake
            }
            _ => now,
        };
        let lasts = awake.is_empty();
        state.quiet = Some((moment, awake));
        lasts
    }

    /// What is known now that the time is up.
    fn last(&self) -> Last {
        // In this order: what is begun in between was not there.
        let begun = self.tracker().begun();
        Last {
            polls: self.tracker().polls(),
            begun,
            looks: 0,
        }
    }

    /// What is busy, as soon as that is sure, or there is to be no further look.
    fn tells(&self, last: &Last) -> Option<Busy> {
        // In this order: what moves in between is looked at once more.
        let moved = self.tracker().has_moved(&last.polls, last.begun);
        let busy = self.busy(last);
        // Their threads may have had no processor all the time. What they do then, such as to spawn, says more.
        let all_wait = !moved && busy.in_flight.is_empty() && busy.tasks.iter().all(is_to_go_on);
        let sure = busy.is_seen() && !all_wait;
        (sure || last.looks == LAST_LOOKS).then_some(busy)
    }

    fn busy(&self, last: &Last) -> Busy {
        let tracker = self.tracker();
        let mut busy = match self.until {
            Until::Joined | Until::Aborted => Busy {
                tasks: tracker.unfinished(),
                ..Busy::default()
            },
            Until::Settled => Busy {
                tasks: tracker.busy(&last.polls, last.begun),
                in_flight: (self.watched.in_flight)(),
                ..Busy::default()
            },
        };
        if tracker.begun() > last.begun {
            busy.begun = tracker.begun_since(self.begun);
        }
        if !busy.in_flight.is_empty() {
            busy.waiting = tracker.waiting();
        }
        if !busy.is_seen() {
            let home = self.watched.home.as_ref();
            busy.unowned = home.map(|(_, home)| home.metrics().num_alive_tasks());
        }
        busy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it may only wait for its thread to get a processor. A job that runs may, too, but goes on as what it is.
fn is_to_go_on(task: &TaskView) -> bool {
    matches!(
        (task.kind, task.state),
        (
            TaskKind::Task,
            TaskState::Spawned | TaskState::Woken | TaskState::Running
        ) | (TaskKind::Closure, TaskState::Spawned)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Carrier;
    use crate::error::Place;
    use crate::task::Owned;
    use std::pin::pin;
    use std::task::Context;

    const HERE: Place = Place {
        file: "tests/story.rs",
        line: 3,
        column: 10,
    };

    fn look_at(owner: &Owner) -> Look {
        let watched = Watched {
            owner: owner.clone(),
            home: None,
            in_flight: Box::new(Vec::new),
            alone: false,
        };
        Look::new(watched, Until::Settled, Duration::ZERO)
    }

    #[test]
    fn a_task_that_had_no_processor_is_told_only_after_the_last_look() {
        let owner = Owner::begin("settle::t", HERE);
        let look = look_at(&owner);
        let never_rests = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        let mut task = pin!(Owned::spawned(never_rests, Carrier::of(&owner)));
        let last = look.last();
        assert!(look.tells(&last).is_none());
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let busy = look.tells(&last).expect("it was polled since");
        assert_eq!(busy.tasks[0].state, TaskState::Woken);
        let last = look.last();
        assert!(look.tells(&last).is_none());
        let looks = LAST_LOOKS;
        assert!(look.tells(&Last { looks, ..last }).is_some());
        owner.close(HERE, None);
        owner.end();
    }
}
