//! Collects who owns what right now.

use super::registry::{Mode, Registry, RepoId};
use super::{DIRECTORY, Life, Owner, OwnerId, Task};
use crate::error::{Asker, Inspection, OwnerView, PausedView, RepoView};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Everything that is owned in this process now.
#[must_use]
pub fn inspect() -> Inspection {
    inspect_some(usize::MAX)
}

/// The same, with no more than so many owners: for errors.
pub(crate) fn inspect_some(most: usize) -> Inspection {
    let (owners, repos, more) = DIRECTORY.read(|registry| {
        let all = registry.owners();
        let more = all.len().saturating_sub(most);
        // The youngest: what somebody looks for has just been started.
        let owners = all.skip(more).map(|(id, owner)| {
            let allowances = allowances_of(registry, id);
            (owner.clone(), allowances)
        });
        (owners.collect::<Vec<_>>(), modes(registry), more)
    });
    // The rest is asked without the lock: owners look into their sessions.
    let owners: Vec<_> = owners
        .into_iter()
        .map(|(owner, allowances)| view(&owner, allowances))
        .collect();
    Inspection {
        repos: with_used(repos, &owners),
        owners,
        more,
        paused: everyone_paused(),
    }
}

fn view(owner: &Owner, allowances: Vec<String>) -> OwnerView {
    OwnerView {
        name: owner.name().to_owned(),
        started_at: owner.started_at(),
        ending: owner.life() != Life::Running,
        ran: owner.ran(),
        sessions: owner.sessions(),
        allowances,
    }
}

fn allowances_of(registry: &Registry<Task, Owner>, id: OwnerId) -> Vec<String> {
    let allowances = registry.allowances();
    let tasks = allowances.tasks_of(id).map(|task| format!("task {task}"));
    let actors = allowances
        .names_of(id)
        .map(|(name, running)| match running {
            0 => format!("actor `{name}`, of which none has started for it yet"),
            1 => format!("actor `{name}`"),
            _ => format!("actor `{name}`, {running} of them"),
        });
    tasks.chain(actors).collect()
}

fn modes(registry: &Registry<Task, Owner>) -> Vec<RepoView> {
    let modes = registry.modes();
    modes
        .map(|(repo, mode)| repo_view(registry, repo, mode))
        .collect()
}

fn repo_view(registry: &Registry<Task, Owner>, repo: RepoId, mode: Mode) -> RepoView {
    let mode = match mode {
        Mode::Auto => "Auto".to_owned(),
        Mode::Manual => "Manual".to_owned(),
        Mode::Shared(id) => match registry.owner(id) {
            Some(owner) => format!("Shared by `{owner}`"),
            None => "Shared".to_owned(),
        },
    };
    RepoView {
        name: repo.name,
        database: repo.database,
        mode,
    }
}

/// Repos without a mode of their own are known by who uses them.
fn with_used(mut repos: Vec<RepoView>, owners: &[OwnerView]) -> Vec<RepoView> {
    let sessions = owners.iter().flat_map(|owner| &owner.sessions);
    let used: BTreeSet<_> = sessions.map(|of| (of.repo, of.database)).collect();
    for (name, database) in used {
        if !repos
            .iter()
            .any(|repo| (repo.name, repo.database) == (name, database))
        {
            let repo = RepoId { name, database };
            repos.push(DIRECTORY.read(|registry| repo_view(registry, repo, registry.mode(repo))));
        }
    }
    repos
}

static PAUSED: Mutex<Vec<(u64, &'static str, Asker, Instant)>> = Mutex::new(Vec::new());

/// Says that somebody waits for an owner, until the guard is dropped.
#[cfg_attr(
    not(feature = "_database"),
    allow(dead_code, reason = "there are no repos")
)]
pub(crate) fn paused(repo: &'static str, asker: Asker) -> Paused {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut paused = PAUSED.lock().unwrap_or_else(PoisonError::into_inner);
    paused.push((number, repo, asker, Instant::now()));
    Paused(number)
}

/// Something that waits for an owner.
#[derive(Debug)]
pub(crate) struct Paused(u64);

impl Drop for Paused {
    fn drop(&mut self) {
        let mut paused = PAUSED.lock().unwrap_or_else(PoisonError::into_inner);
        paused.retain(|(number, ..)| *number != self.0);
    }
}

fn everyone_paused() -> Vec<PausedView> {
    let paused = PAUSED.lock().unwrap_or_else(PoisonError::into_inner);
    let views = paused.iter().map(|(_, repo, asker, since)| PausedView {
        repo,
        asker: asker.clone(),
        waited: since.elapsed(),
    });
    views.collect()
}
