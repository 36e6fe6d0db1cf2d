//! Does things at a time, on a thread of its own: the thread that would do them itself may be what hangs, and tokio's
//! timers stand still or hurry when a test's clock is paused.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Something to be done at a time, unless it is gone by then.
pub(crate) trait Due: Send + Sync {
    /// Its time has come.
    fn due(self: Arc<Self>);
}

struct Appointment {
    when: Instant,
    what: Weak<dyn Due>,
}

/// The heap's greatest is the one that is due first.
impl Ord for Appointment {
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.cmp(&self.when)
    }
}

impl PartialOrd for Appointment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Appointment {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Appointment {}

static APPOINTMENTS: Mutex<BinaryHeap<Appointment>> = Mutex::new(BinaryHeap::new());
static SOONER: Condvar = Condvar::new();

/// Does it then.
pub(crate) fn at(when: Instant, what: Weak<dyn Due>) {
    start();
    let mut appointments = APPOINTMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let first = appointments.peek().is_none_or(|next| when < next.when);
    // What is gone long ago waits here for its time: it is dropped before there is too much of it.
    if appointments.len() >= 1024 && appointments.len().is_power_of_two() {
        appointments.retain(|one| one.what.strong_count() > 0);
    }
    appointments.push(Appointment { when, what });
    drop(appointments);
    if first {
        SOONER.notify_one();
    }
}

/// Runs a future for at most so long, by the wall clock. `None` when that was not enough.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let bell = Arc::new(Bell::default());
    let due: Arc<dyn Due> = bell.clone();
    if let Some(when) = Instant::now().checked_add(limit) {
        at(when, Arc::downgrade(&due));
    }
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        let mut ringing = bell.ringing();
        if ringing.is_late {
            return Poll::Ready(None);
        }
        let before = ringing.waker.replace(cx.waker().clone());
        drop(ringing);
        drop(before);
        Poll::Pending
    })
    .await
}

/// Wakes whoever waits.
#[derive(Default)]
struct Bell(Mutex<Ringing>);

#[derive(Default)]
struct Ringing {
    is_late: bool,
    waker: Option<Waker>,
}

impl Bell {
    fn ringing(&self) -> MutexGuard<'_, Ringing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Due for Bell {
    fn due(self: Arc<Self>) {
        let mut ringing = self.ringing();
        ringing.is_late = true;
        let waker = ringing.waker.take();
        drop(ringing);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The thread lives as long as the process, as tests do not wait for each other's alarms.
fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let thread = std::thread::Builder::new().name("heirloom-alarm".to_owned());
        // Without it nothing is ever due; that a thread cannot be had shows elsewhere soon enough.
        thread.spawn(run).ok();
    });
}

fn run() {
    loop {
        if let Some(due) = next_due().upgrade() {
            // A layer of somebody else's may panic at what is logged; the next one shall be done all the same.
            catch_unwind(AssertUnwindSafe(|| due.due())).ok();
        }
    }
}

fn next_due() -> Weak<dyn Due> {
    let mut appointments = APPOINTMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = Instant::now();
        let Some(next) = appointments.peek() else {
            appointments = SOONER
                .wait(appointments)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let wait = next.when.saturating_duration_since(now);
        if wait.is_zero() {
            if let Some(due) = appointments.pop() {
                return due.what;
            }
        } else {
            let woken = SOONER.wait_timeout(appointments, wait);
            appointments = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
