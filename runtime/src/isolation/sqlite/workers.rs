//! Whether a connection to SQLite is at work: sqlx runs each on a thread of its own and tells nobody what that does.
//!
//! The system knows. A thread that waits for its next command is parked: asleep on a number in this process's memory that
//! whoever sends it a command changes before anything else. So a worker that sleeps on a number which still has the value
//! it sleeps on has nothing to do; one that runs, reads a file, or waits for a lock of the database does something else.
//! There is no moment between a command's being sent and its being seen.
//!
//! A worker is parked as well while nobody reads the rows of a stream, and while somebody holds the connection's handle.
//! Both wait for their client.

mod parked;

use self::parked::Parked;
use crate::isolation::calls::lasting;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The system's number of a thread.
type Tid = u64;

/// The threads of connections that are made with the same options.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    state: Arc<Mutex<State>>,
    users: Users,
}

/// How many connections of pools are in somebody's hands. One that its user closes or keeps is counted for ever.
#[derive(Clone, Debug, Default)]
pub(super) struct Users(Arc<AtomicI64>);

impl Users {
    pub(super) fn take(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether nobody waits for any statement that is still run.
    fn are_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// For how long a statement counts that nobody waits for any more, as that of a request that was given up: what it writes
/// is mostly there soon. sqlx lets it run on, and the session's end cuts it short.
const ABANDONED: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    /// Names that were given out and not seen yet, and when.
    unseen: HashMap<String, Issued>,
    seen: HashMap<Tid, Worker>,
}

#[derive(Clone, Debug)]
struct Issued {
    at: Instant,
    /// The threads that were there before it: none of them is it.
    before: HashSet<Tid>,
    /// The name of the thread that begins it: its own name, until it has another.
    by: Option<String>,
}

#[derive(Debug)]
struct Worker {
    name: String,
    /// Since when it was found at work whenever somebody looked.
    busy: Option<Instant>,
}

/// A thread begins without its name. One that is not there under it after this has been and gone.
const NAMELESS: Duration = Duration::from_secs(2);

impl Workers {
    /// The name of one that is about to begin. It is the first and only to have it.
    pub(super) fn name(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The system keeps 15 characters.
        let name = format!("sqlite-{:x}", NEXT.fetch_add(1, Ordering::Relaxed));
        let issued = Issued {
            at: Instant::now(),
            before: threads().collect(),
            by: name_at("/proc/thread-self/comm"),
        };
        self.state().unseen.insert(name.clone(), issued);
        name
    }

    pub(super) fn users(&self) -> &Users {
        &self.users
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they are doing, a line for each that does something; so many of them are the pool's. `None` where nobody can
    /// tell.
    pub(super) fn in_flight(&self, repo: &str, pooled: u32) -> Option<Vec<String>> {
        let mut state = self.state();
        if state.unseen.is_empty() && state.seen.is_empty() {
            return Some(Vec::new());
        }
        let parked = Parked::known()?;
        state.look_for_new(parked);
        // Of those beside the pool it is not known.
        let abandoned = self.users.are_gone() && state.seen.len() <= pooled as usize;
        let opening = state.unseen.values().map(|issued| {
            let lasts = lasting(issued.at.elapsed());
            format!("a connection of repo `{repo}` is being opened, for {lasts}")
        });
        let mut calls: Vec<_> = opening.collect();
        state.seen.retain(|&tid, worker| {
            if parked.is(tid) {
                worker.busy = None;
                return true;
            }
            // The number of one that is gone may be another thread's by now.
            if name_of(tid).as_ref() != Some(&worker.name) {
                return false;
            }
            let lasts = worker.busy.get_or_insert_with(Instant::now).elapsed();
            if lasts < ABANDONED || !abandoned {
                let (name, lasts) = (&worker.name, lasting(lasts));
                calls.push(format!(
                    "a connection of repo `{repo}` has been at work for {lasts} or longer (thread `{name}`)"
                ));
            }
            true
        });
        Some(calls)
    }
}

impl State {
    /// Finds the threads of names that are not seen yet. Those that cannot come any more are forgotten.
    fn look_for_new(&mut self, parked: &Parked) {
        if self.unseen.is_empty() {
            return;
        }
        let mut nameless = Vec::new();
        for tid in threads() {
            if self.seen.contains_key(&tid) {
                continue;
            }
            let Some(name) = name_of(tid) else {
                continue;
            };
            if self.unseen.remove(&name).is_some() {
                self.seen.insert(tid, Worker { name, busy: None });
            } else if !parked.is_waiting(tid) {
                nameless.push((name, tid));
            }
        }
        self.unseen.retain(|_, issued| {
            let may_be = |(name, tid): &(String, Tid)| {
                issued.by.as_ref() == Some(name) && !issued.before.contains(tid)
            };
            issued.at.elapsed() < NAMELESS && nameless.iter().any(may_be)
        });
    }
}

fn threads() -> impl Iterator<Item = Tid> {
    let all = fs::read_dir("/proc/self/task").into_iter().flatten();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn name_of(tid: Tid) -> Option<String> {
    name_at(&format!("/proc/self/task/{tid}/comm"))
}

fn name_at(path: &str) -> Option<String> {
    let name = fs::read_to_string(path).ok()?;
    Some(name.trim_end().to_owned())
}
