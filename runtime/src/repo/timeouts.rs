//! Takes sessions away whose time is up, on a thread of its own: the test's thread may be what hangs.

use super::session::AnySession;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError, Weak};
use std::time::Instant;

struct Watched {
    deadline: Instant,
    session: Weak<dyn AnySession>,
}

/// The heap's greatest is the one that is due first.
impl Ord for Watched {
    fn cmp(&self, other: &Self) -> Ordering {
        other.deadline.cmp(&self.deadline)
    }
}

impl PartialOrd for Watched {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.deadline == other.deadline
    }
}

impl Eq for Watched {}

static WATCHED: Mutex<BinaryHeap<Watched>> = Mutex::new(BinaryHeap::new());
static SOONER: Condvar = Condvar::new();

/// Takes the session away when its time is up.
pub(super) fn watch(session: &Arc<dyn AnySession>) {
    let Some(deadline) = session.facts().deadline() else {
        return;
    };
    start();
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let first = watched.peek().is_none_or(|next| deadline < next.deadline);
    // Sessions of tests that ended long ago wait here for their time: they are dropped before there are too many.
    if watched.len() >= 1024 && watched.len().is_power_of_two() {
        watched.retain(|one| one.session.strong_count() > 0);
    }
    watched.push(Watched {
        deadline,
        session: Arc::downgrade(session),
    });
    drop(watched);
    if first {
        SOONER.notify_one();
    }
}

/// The thread lives as long as the process, as tests do not wait for each other's sessions.
fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let thread = std::thread::Builder::new().name("heirloom-timeouts".to_owned());
        // Without it no session is taken away; that a thread cannot be had shows elsewhere soon enough.
        thread.spawn(run).ok();
    });
}

fn run() {
    loop {
        let due = next_due();
        if let Some(session) = due.upgrade() {
            // A layer of somebody else's may panic at what is logged; the next session shall be taken all the same.
            catch_unwind(AssertUnwindSafe(|| session.expire())).ok();
        }
    }
}

fn next_due() -> Weak<dyn AnySession> {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = Instant::now();
        let Some(next) = watched.peek() else {
            watched = SOONER.wait(watched).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let wait = next.deadline.saturating_duration_since(now);
        if wait.is_zero() {
            if let Some(due) = watched.pop() {
                return due.session;
            }
        } else {
            let woken = SOONER.wait_timeout(watched, wait);
            watched = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
