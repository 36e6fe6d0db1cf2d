//! Tests that run alone: they wait until the others have ended, here and in other processes, and the others wait for
//! them.
//!
//! Between processes two locks in heirloom's directory decide. Whoever wants to run takes `turn.lock` for a moment and
//! then `alone.lock`, together with others or for itself: a test that waits for the others holds the first meanwhile, so
//! that those who come later wait behind it.

use super::dir;
use crate::error::Error;
use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A test's right to run, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    kind: Kind,
    test: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WithOthers,
    Alone,
    /// Inside a test that has its turn.
    Inner,
}

struct State {
    running: Vec<String>,
    alone: bool,
    /// How many wait to be alone: those who come later let them go first.
    waiting: usize,
    locks: Option<Locks>,
}

struct Locks {
    turn: File,
    /// Whether this process has `turn.lock`: a lock that is taken twice is not counted.
    has_turn: bool,
    alone: File,
}

static STATE: Mutex<State> = Mutex::new(State {
    running: Vec::new(),
    alone: false,
    waiting: 0,
    locks: None,
});
static CHANGED: Condvar = Condvar::new();

thread_local! {
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

/// After this long somebody who waits says so. And whoever has let others go first for so long does so no more: a test
/// that waits to be alone may be waiting for one that waits for this one, in a process or on a thread of its own.
const A_WHILE: Duration = Duration::from_secs(10);

/// Waits for a test's turn. A test that is run inside a test, on its thread or on one that is its heir, takes part in that
/// one's.
pub(crate) fn turn(alone: bool, test: &str, inside_a_test: bool) -> Result<Turn, Error> {
    let turn = |kind| Turn {
        kind,
        test: test.to_owned(),
    };
    if HAS_TURN.get() || inside_a_test {
        return if alone {
            Err(nested(test))
        } else {
            Ok(turn(Kind::Inner))
        };
    }
    let kind = if alone {
        wait_to_be_alone(test)?;
        Kind::Alone
    } else {
        wait_for_others(test);
        Kind::WithOthers
    };
    HAS_TURN.set(true);
    Ok(turn(kind))
}

fn nested(test: &str) -> Error {
    Error::NotAlone {
        owner: test.to_owned(),
    }
}

/// What keeps a test from running just now.
enum Blocked {
    /// Something in this process, which says when it changes.
    Here,
    /// Another process.
    Elsewhere,
    /// Nobody can be asked.
    Broken(Error),
}

fn wait_for_others(test: &str) {
    let mut waits = Waits::of(test, "a test that runs alone (`shared = true`)");
    let mut state = lock();
    loop {
        match state.run_with_others(waits.for_a_while()) {
            // Without a directory there is nobody to agree with; a test that uses a database will be told.
            Ok(()) | Err(Blocked::Broken(_)) => break,
            Err(Blocked::Here) => state = waits.until_changed(state),
            Err(Blocked::Elsewhere) => state = waits.a_moment(state),
        }
    }
    state.running.push(test.to_owned());
}

fn wait_to_be_alone(test: &str) -> Result<(), Error> {
    let mut waits = Waits::of(
        test,
        "the others to end, as it runs alone (`shared = true`)",
    );
    let mut state = lock();
    state.waiting += 1;
    let found = loop {
        match state.run_alone() {
            Ok(()) => break Ok(()),
            Err(Blocked::Broken(error)) => {
                // Nobody else shall wait for a turn that is not taken.
                state.locks = None;
                break Err(error);
            }
            Err(Blocked::Here) => state = waits.until_changed(state),
            Err(Blocked::Elsewhere) => state = waits.a_moment(state),
        }
    };
    state.waiting -= 1;
    state.alone = found.is_ok();
    if state.alone {
        state.running.push(test.to_owned());
    }
    CHANGED.notify_all();
    found
}

impl State {
    fn run_with_others(&mut self, has_waited: bool) -> Result<(), Blocked> {
        if self.alone || (self.waiting > 0 && !has_waited) {
            return Err(Blocked::Here);
        }
        let first = self.running.is_empty();
        let locks = self.locks()?;
        // Asked also when this process is running tests already: somebody else may be waiting for them to end.
        let had_turn = locks.has_turn;
        if let Err(blocked) = locks.take_turn()
            && !(has_waited && matches!(blocked, Blocked::Elsewhere))
        {
            return Err(blocked);
        }
        let taken = if first {
            free(locks.alone.try_lock_shared(), &alone_path())
        } else {
            Ok(())
        };
        if !had_turn {
            locks.leave_turn();
        }
        taken
    }

    /// The turn is kept while waiting for the rest, so that nobody starts meanwhile.
    fn run_alone(&mut self) -> Result<(), Blocked> {
        if self.alone {
            return Err(Blocked::Here);
        }
        let others = !self.running.is_empty();
        let locks = self.locks()?;
        locks.take_turn()?;
        if others {
            return Err(Blocked::Here);
        }
        free(locks.alone.try_lock(), &alone_path())?;
        locks.leave_turn();
        Ok(())
    }

    fn locks(&mut self) -> Result<&mut Locks, Blocked> {
        if self.locks.is_none() {
            self.locks = Some(Locks::open().map_err(Blocked::Broken)?);
        }
        self.locks.as_mut().ok_or(Blocked::Here)
    }
}

fn free(tried: Result<(), TryLockError>, path: &Path) -> Result<(), Blocked> {
    match tried {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Blocked::Elsewhere),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Blocked::Elsewhere)
        }
        Err(TryLockError::Error(error)) => Err(Blocked::Broken(dir::files("lock", path, error))),
    }
}

impl Locks {
    fn open() -> Result<Self, Error> {
        dir::create(dir::base())?;
        Ok(Self {
            turn: dir::open(&turn_path())?,
            has_turn: false,
            alone: dir::open(&alone_path())?,
        })
    }

    fn take_turn(&mut self) -> Result<(), Blocked> {
        if !self.has_turn {
            free(self.turn.try_lock(), &turn_path())?;
            self.has_turn = true;
        }
        Ok(())
    }

    fn leave_turn(&mut self) {
        if self.has_turn {
            self.turn.unlock().ok();
            self.has_turn = false;
        }
    }
}

fn turn_path() -> PathBuf {
    dir::base().join("turn.lock")
}

fn alone_path() -> PathBuf {
    dir::base().join("alone.lock")
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who waits, and says so once.
struct Waits<'a> {
    test: &'a str,
    what: &'a str,
    since: Instant,
    said: bool,
}

impl<'a> Waits<'a> {
    fn of(test: &'a str, what: &'a str) -> Self {
        Self {
            test,
            what,
            since: Instant::now(),
            said: false,
        }
    }

    fn until_changed<'s>(&mut self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.wait(state, A_WHILE)
    }

    /// Other processes tell nobody when they let go, so they are asked again soon.
    fn a_moment<'s>(&mut self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.wait(state, Duration::from_millis(1))
    }

    fn wait<'s>(&mut self, state: MutexGuard<'s, State>, most: Duration) -> MutexGuard<'s, State> {
        let woken = CHANGED.wait_timeout(state, most);
        let state = woken.unwrap_or_else(PoisonError::into_inner).0;
        if !self.said && self.for_a_while() {
            self.said = true;
            self.say(&state.running);
        }
        state
    }

    fn for_a_while(&self) -> bool {
        self.since.elapsed() >= A_WHILE
    }

    /// Past libtest, which keeps what a test prints until the test ends.
    fn say(&self, running: &[String]) {
        let Self { test, what, .. } = self;
        let running = if running.is_empty() {
            "none in this process".to_owned()
        } else {
            running.join(", ")
        };
        let text = format!(
            "heirloom: `{test}` has been waiting for {A_WHILE:?} for {what}\n  running now: {running}\n"
        );
        io::stderr().write_all(text.as_bytes()).ok();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock();
        match self.kind {
            Kind::Inner => return,
            Kind::Alone => state.alone = false,
            Kind::WithOthers => {}
        }
        if let Some(place) = state.running.iter().position(|test| *test == self.test) {
            state.running.swap_remove(place);
        }
        HAS_TURN.set(false);
        if state.running.is_empty()
            && let Some(locks) = &state.locks
        {
            locks.alone.unlock().ok();
        }
        CHANGED.notify_all();
    }
}
