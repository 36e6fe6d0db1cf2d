//! Waiting until nothing of an owner's is under way.

use super::rest::Rest;
use super::tracked::Aside;
use super::tracker::{Awake, Moment, Polls, Tracker};
use crate::alarm::{self, Due};
use crate::error::Busy;
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

/// For how long nothing is to happen where a thread stays awake all the time: by how long that thread has run meanwhile,
/// in hundredths of a second. One that is not let run may be about to do anything.
const LASTING: u64 = 5;

/// For how long it is looked who is still polled when the time is up.
const LAST: Duration = Duration::from_millis(5);

/// Waits.
///
/// # Errors
///
/// What was still busy when the time was up.
pub(crate) async fn wait(watched: Watched, until: Until, limit: Duration) -> Result<(), Busy> {
    let _aside = Aside::step(&watched.owner);
    if until == Until::Settled && watched.alone && watched.has_nothing() {
        return Ok(());
    }
    let look = Arc::new(Look {
        watched,
        until,
        deadline: Instant::now().checked_add(limit),
        state: Mutex::new(State {
            answer: None,
            waker: None,
            pause: FIRST,
            quiet: None,
            polls: None,
        }),
    });
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
    fn has_nothing(&self) -> bool {
        let nothing_runs = match &self.home {
            Some((rest, home)) => rest.is_empty(home),
            None => true,
        };
        nothing_runs && self.owner.work::<Tracker>().is_empty() && (self.in_flight)().is_empty()
    }
}

/// Looks again and again, on the thread of the alarms, until there is an answer or nobody waits for it.
struct Look {
    watched: Watched,
    until: Until,
    deadline: Option<Instant>,
    state: Mutex<State>,
}

struct State {
    answer: Option<Result<(), Busy>>,
    waker: Option<Waker>,
    pause: Duration,
    /// The last moment at which nothing was busy, and what has been awake since then.
    quiet: Option<(Moment, Vec<Awake>)>,
    /// Once the time is up: who is polled from then on is busy, although it may not be so at the moment that is looked at.
    polls: Option<Polls>,
}

impl Due for Look {
    fn due(self: Arc<Self>) {
        let reached = self.is_reached();
        let late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        let polls = self.state().polls.take();
        let answer = match polls {
            _ if reached => Ok(()),
            Some(polls) => Err(self.busy(&polls)),
            None if late => {
                self.state().polls = Some(self.tracker().polls());
                return self.again(LAST);
            }
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
    fn next_pause(&self) -> Duration {
        let mut state = self.state();
        let longer = (state.pause * 2).min(LONGEST);
        std::mem::replace(&mut state.pause, longer)
    }

    fn again(self: &Arc<Self>, pause: Duration) {
        let this: Arc<dyn Due> = self.clone();
        alarm::at(Instant::now() + pause, Arc::downgrade(&this));
    }

    fn tracker(&self) -> &Tracker {
        self.watched.owner.work()
    }

    fn is_reached(&self) -> bool {
        match self.until {
            Until::Joined => self.tracker().is_finished(),
            Until::Aborted => self.tracker().has_none_to_end(),
            Until::Settled => match &self.watched.home {
                Some((rest, home)) => rest.during(home, || self.is_quiet()).unwrap_or(false),
                None => self.is_quiet(),
            },
        }
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

    /// Whether this moment is sure to last: each thread that polls futures has slept since it began, or has run for a
    /// while, as others' work may keep a thread awake for ever.
    fn lasts(&self, moment: Moment) -> bool {
        let now = self.tracker().awake();
        let mut state = self.state();
        let awake = match state.quiet.take() {
            Some((same, mut awake)) if same == moment => {
                awake.retain(|then| {
                    let still = now.iter().find(|now| now.thread == then.thread);
                    still.is_some_and(|now| now.ran.saturating_sub(then.ran) < LASTING)
                });
                awake
            }
            _ => now,
        };
        let lasts = awake.is_empty();
        state.quiet = Some((moment, awake));
        lasts
    }

    fn busy(&self, polls: &Polls) -> Busy {
        if self.until != Until::Settled {
            return Busy {
                tasks: self.tracker().unfinished(),
                ..Busy::default()
            };
        }
        let mut busy = Busy {
            tasks: self.tracker().busy(polls),
            in_flight: (self.watched.in_flight)(),
            unowned: None,
        };
        if busy.tasks.is_empty() && busy.in_flight.is_empty() {
            let home = self.watched.home.as_ref();
            busy.unowned = home.map(|(_, home)| home.metrics().num_alive_tasks());
        }
        busy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
