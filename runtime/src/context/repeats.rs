//! How often the same code has been told that nobody owns it.

use crate::error::{Asker, Place, Subject};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How often an error shows who owns what.
pub(super) const WITH_TREE: u32 = 3;

/// More askers than this are forgotten and shown it again. Threads have names without end.
const REMEMBERED: usize = 1024;

type Known = HashMap<(Subject, Option<Place>, String), u32>;

/// How often it was told before. Tasks are not told apart: a service may spawn one for each attempt.
pub(super) fn count(subject: Subject, asker: &Asker) -> u32 {
    static TOLD: Mutex<Option<Known>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let told = told.get_or_insert_default();
    if told.len() >= REMEMBERED {
        told.clear();
    }
    let count = told
        .entry((subject, asker.place, asker.thread.clone()))
        .or_default();
    let before = *count;
    *count = before.saturating_add(1);
    before
}
