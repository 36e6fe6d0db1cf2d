//! Who may use a repo, and changing it.

use super::opening::repo_id;
use super::sessions;
use super::{Repo, Supported};
use crate::context::{self, changes};
use crate::error::{Asker, Error, Place, Why};
use crate::owner::{self, DIRECTORY, ModeChange, Owner, Registry, RepoId, Role};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Once;

/// Who may use a repo.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Owners use their sessions, everybody else the pool that the repo was given: outside test suites. The default.
    Auto,
    /// Only owners and their heirs, everybody else gets [`Error::Ownership`]. The default as soon as a `#[sandboxed]` test
    /// has started in this process; a plain `#[test]` beside it is "everybody else" from then on.
    Manual,
    /// Owners use their sessions, everybody else the session of this owner. It is `Manual` again when that owner ends.
    Shared(Owner),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("Auto"),
            Self::Manual => f.write_str("Manual"),
            Self::Shared(owner) => write!(f, "Shared by `{owner}`"),
        }
    }
}

/// From now on repos are manual unless somebody says otherwise.
pub(crate) fn suite_has_started() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| DIRECTORY.write(Registry::suite_starts));
}

/// Everybody without an owner uses this one's sessions, on every repo, until it ends.
pub(crate) fn share_everywhere(owner: &Owner) {
    DIRECTORY.write(|registry| registry.share_everywhere(owner.id()));
    changes::happened();
}

pub(super) fn of(repo: RepoId) -> Mode {
    DIRECTORY.read(|registry| match registry.mode(repo) {
        owner::Mode::Auto => Mode::Auto,
        owner::Mode::Manual => Mode::Manual,
        owner::Mode::Shared(id) => match registry.owner(id) {
            Some(owner) => Mode::Shared(owner.clone()),
            None => Mode::Manual,
        },
    })
}

impl<DB: Supported> Repo<DB> {
    /// Who may use the repo now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        of(repo_id::<DB>(self.name))
    }

    /// Changes who may use the repo, for the whole process: set it before the tests start.
    ///
    /// The same mode again changes nothing. Another one takes the sessions on this repo from all their owners, except
    /// the one that [`Mode::Shared`] names: their users are told, what they did is rolled back, and then this is done.
    /// An owner that is shared must have a session on the repo, and only itself can share it.
    ///
    /// ```
    /// # use heirloom::{Mode, ModeChange, Repo, Sandbox, Test};
    /// # use sqlx::Sqlite;
    /// static REPO: Repo<Sqlite> = Repo::named("reports");
    ///
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let owner = sandbox.owner().clone();
    /// let _ = REPO.checkout().await?;
    /// assert_eq!(REPO.set_mode(Mode::Shared(owner)).await?, ModeChange::Ok);
    /// # let _ = REPO.set_mode(Mode::Manual).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of giving back the sessions that were taken. The mode is changed all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the mode is changed and sessions are out of reach, but may not be rolled back yet.
    #[track_caller]
    pub fn set_mode(
        &self,
        mode: Mode,
    ) -> impl Future<Output = Result<ModeChange, Error>> + Send + use<DB> {
        let place = Location::caller().into();
        let repo = repo_id::<DB>(self.name);
        let role = role_towards(&mode);
        async move { set(repo, mode, role, place).await }
    }
}

/// Code that merely uses an owner's sessions does not speak for it. What uses none does: it has the owner itself.
fn role_towards(mode: &Mode) -> Role {
    match (mode, context::current_role()) {
        (Mode::Shared(owner), Some((current, role))) if current == *owner => role,
        _ => Role::Owner,
    }
}

async fn set(repo: RepoId, mode: Mode, role: Role, place: Place) -> Result<ModeChange, Error> {
    let plain = match &mode {
        Mode::Auto => owner::Mode::Auto,
        Mode::Manual => owner::Mode::Manual,
        Mode::Shared(owner) => owner::Mode::Shared(owner.id()),
    };
    let (change, evicted) = DIRECTORY.write(|registry| {
        let (change, evicted) = registry.set_mode(repo, plain, role);
        let owners = evicted
            .into_iter()
            .filter_map(|evicted| Some((registry.owner(evicted.owner)?.clone(), evicted)));
        (change, owners.collect::<Vec<_>>())
    });
    changes::happened();
    let by = Asker::now(Some(place));
    let why = Why::ModeChanged(mode.to_string());
    let taken = evicted.into_iter().filter_map(|(owner, evicted)| {
        sessions::take(&owner, evicted, why.clone(), Some(by.clone()))
    });
    // All are out of reach before any is waited for.
    let taken: Vec<_> = taken.collect();
    sessions::close(taken).await?;
    Ok(change)
}
