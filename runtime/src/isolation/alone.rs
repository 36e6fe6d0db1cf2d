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
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A test's right to run, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WithOthers,
    Alone,
    /// Inside a test that has its turn.
    Inner,
}

struct State {
    running: usize,
    alone: bool,
    /// How many wait to be alone: those who come later let them go first.
    waiting: usize,
    locks: Option<Locks>,
}

struct Locks {
    turn: File,
    alone: File,
}

static STATE: Mutex<State> = Mutex::new(State {
    running: 0,
    alone: false,
    waiting: 0,
    locks: None,
});
static CHANGED: Condvar = Condvar::new();

thread_local! {
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

/// After this long somebody who waits says so.
const A_WHILE: Duration = Duration::from_secs(10);

/// Waits for a test's turn. It is the thread's: a test that is run inside a test takes part in that one's.
pub(crate) fn turn(alone: bool, test: &str) -> Result<Turn, Error> {
    if HAS_TURN.get() {
        return if alone {
            Err(nested(test))
        } else {
            Ok(Turn { kind: Kind::Inner })
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
    Ok(Turn { kind })
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
        match state.run_with_others() {
            // Without a directory there is nobody to agree with; a test that uses a database will be told.
            Ok(()) | Err(Blocked::Broken(_)) => break,
            Err(Blocked::Here) => state = waits.until_changed(state),
            Err(Blocked::Elsewhere) => state = waits.a_moment(state),
        }
    }
    state.running += 1;
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
    CHANGED.notify_all();
    found
}

impl State {
    fn run_with_others(&mut self) -> Result<(), Blocked> {
        if self.alone || self.waiting > 0 {
            return Err(Blocked::Here);
        }
        let first = self.running == 0;
        let locks = self.locks()?;
        // Taken also when this process is running tests already: somebody else may be waiting for them to end.
        free(locks.turn.try_lock(), &turn_path())?;
        let taken = if first {
            free(locks.alone.try_lock_shared(), &alone_path())
        } else {
            Ok(())
        };
        locks.turn.unlock().ok();
        taken
    }

    /// The turn is kept while waiting for the rest, so that nobody starts meanwhile.
    fn run_alone(&mut self) -> Result<(), Blocked> {
        if self.alone {
            return Err(Blocked::Here);
        }
        let others = self.running > 0;
        let locks = self.locks()?;
        free(locks.turn.try_lock(), &turn_path())?;
        if others {
            return Err(Blocked::Here);
        }
        free(locks.alone.try_lock(), &alone_path())?;
        locks.turn.unlock().ok();
        Ok(())
    }

    fn locks(&mut self) -> Result<&Locks, Blocked> {
        if self.locks.is_none() {
            self.locks = Some(Locks::open().map_err(Blocked::Broken)?);
        }
        self.locks.as_ref().ok_or(Blocked::Here)
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
            alone: dir::open(&alone_path())?,
        })
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
        self.say_after_a_while();
        state
    }

    fn say_after_a_while(&mut self) {
        if !self.said && self.since.elapsed() >= A_WHILE {
            self.said = true;
            let Self { test, what, .. } = self;
            eprintln!("heirloom: `{test}` has been waiting for {A_WHILE:?} for {what}");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock();
        match self.kind {
            Kind::Inner => return,
            Kind::Alone => state.alone = false,
            Kind::WithOthers => state.running -= 1,
        }
        HAS_TURN.set(false);
        if state.running == 0
            && let Some(locks) = &state.locks
        {
            locks.alone.unlock().ok();
        }
        CHANGED.notify_all();
    }
}
