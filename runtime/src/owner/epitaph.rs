//! What is remembered of owners that ended, for errors only: who was allowed by whom, who shared which repo.

use super::registry::{End, RepoId, Target};
use super::{Owner, Task};
use crate::error::Place;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many are remembered. A suite that lives long must not grow with every test.
const REMEMBERED: usize = 64;

static LAST: Mutex<VecDeque<Epitaph>> = Mutex::new(VecDeque::new());

/// An owner that ended while something depended on it.
#[derive(Clone, Debug)]
pub(crate) struct Epitaph {
    name: String,
    started_at: Place,
    ended_at: Option<Place>,
    ended: Instant,
    lost: Vec<Target<Task>>,
    shared: Vec<RepoId>,
    shared_everything: bool,
}

impl fmt::Display for Epitaph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ago = self.ended.elapsed();
        write!(f, "`{}`, started at {}", self.name, self.started_at)?;
        write!(f, ", which ended {ago:.1?} ago")?;
        match self.ended_at {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

/// Remembers an owner, if anything depended on it.
pub(super) fn of(owner: &Owner, end: &End<Task>) {
    if end.lost.is_empty() && end.reverted.is_empty() && !end.was_everywhere {
        return;
    }
    let epitaph = Epitaph {
        name: owner.name().to_owned(),
        started_at: owner.started_at(),
        ended_at: owner.0.clock.ending().map(|ending| ending.at),
        ended: Instant::now(),
        lost: end.lost.clone(),
        shared: end.reverted.clone(),
        shared_everything: end.was_everywhere,
    };
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == REMEMBERED {
        last.pop_front();
    }
    last.push_back(epitaph);
}

/// Who had allowed this, the last of them.
pub(crate) fn last_of_target(target: &Target<Task>) -> Option<Epitaph> {
    last(|epitaph| epitaph.lost.contains(target))
}

/// Who had shared this repo, the last of them.
#[cfg_attr(
    not(feature = "_database"),
    allow(dead_code, reason = "there are no repos")
)]
pub(crate) fn last_of_repo(repo: RepoId) -> Option<Epitaph> {
    last(|epitaph| epitaph.shared_everything || epitaph.shared.contains(&repo))
}

fn last(of: impl Fn(&Epitaph) -> bool) -> Option<Epitaph> {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.iter().rev().find(|epitaph| of(epitaph)).cloned()
}
