//! The modes of repos: each repo's own where one was set, else the suite's.

use super::RepoId;
use crate::owner::OwnerId;
use std::collections::BTreeMap;

/// Who may use a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Owners their sessions, everybody else the plain pool.
    Auto,
    /// Only owners and their heirs.
    Manual,
    /// As `Manual`; everybody else uses this owner's session.
    Shared(OwnerId),
}

/// What [`Repo::set_mode`](crate::Repo::set_mode) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Ok` means that the mode is what was asked for"]
pub enum ModeChange {
    /// The repo is in this mode now, or was already. If it changed, every other session on it was given back.
    Ok,
    /// Another owner shares it already.
    AlreadyShared,
    /// The running code is not the owner it wants to share: it merely uses its session.
    NotOwner,
    /// The owner to be shared has no session on the repo.
    NotFound,
}

#[derive(Debug)]
pub(super) struct Modes {
    own: BTreeMap<RepoId, Mode>,
    /// A suite runs here.
    suite: bool,
    everywhere: Option<Everywhere>,
}

/// One owner shares its sessions on every repo.
#[derive(Debug)]
struct Everywhere {
    owner: OwnerId,
    /// The modes that were set before, which hold again afterwards.
    before: BTreeMap<RepoId, Mode>,
}

impl Modes {
    pub(super) const fn new() -> Self {
        Self {
            own: BTreeMap::new(),
            suite: false,
            everywhere: None,
        }
    }

    pub(super) fn of(&self, repo: RepoId) -> Mode {
        let default = || match &self.everywhere {
            Some(everywhere) => Mode::Shared(everywhere.owner),
            None if self.suite => Mode::Manual,
            None => Mode::Auto,
        };
        self.own.get(&repo).copied().unwrap_or_else(default)
    }

    pub(super) fn explicit(&self) -> impl Iterator<Item = (RepoId, Mode)> {
        self.own.iter().map(|(repo, mode)| (*repo, *mode))
    }

    pub(super) fn set(&mut self, repo: RepoId, mode: Mode) {
        self.own.insert(repo, mode);
    }

    pub(super) fn suite_starts(&mut self) {
        self.suite = true;
    }

    /// What is set from now on ends with it. One at a time: whoever comes second changes nothing.
    pub(super) fn share_everywhere(&mut self, owner: OwnerId) {
        if self.everywhere.is_none() {
            let before = std::mem::take(&mut self.own);
            self.everywhere = Some(Everywhere { owner, before });
        }
    }

    pub(super) fn everywhere(&self) -> Option<OwnerId> {
        self.everywhere.as_ref().map(|everywhere| everywhere.owner)
    }

    fn set_modes(&mut self) -> impl Iterator<Item = (&RepoId, &mut Mode)> {
        let before = self.everywhere.iter_mut();
        let before = before.flat_map(|everywhere| everywhere.before.iter_mut());
        self.own.iter_mut().chain(before)
    }

    /// An owner no longer has a session on a repo: if it shared that, the repo is manual.
    pub(super) fn owner_left(&mut self, owner: OwnerId, repo: RepoId) {
        for (of, mode) in self.set_modes() {
            if *of == repo && *mode == Mode::Shared(owner) {
                *mode = Mode::Manual;
            }
        }
    }

    /// Which repos are manual now because their owner ended, and whether it shared everything.
    pub(super) fn owner_ended(&mut self, owner: OwnerId) -> (Vec<RepoId>, bool) {
        let mut reverted = Vec::new();
        for (repo, mode) in self.set_modes() {
            if *mode == Mode::Shared(owner) {
                *mode = Mode::Manual;
                reverted.push(*repo);
            }
        }
        reverted.sort_unstable();
        reverted.dedup();
        let everywhere = self.everywhere.take_if(|one| one.owner == owner);
        let was_everywhere = everywhere.is_some();
        if let Some(Everywhere { before, .. }) = everywhere {
            self.own = before;
        }
        (reverted, was_everywhere)
    }
}
