//! Who owns: identity, life, and what hangs on an owner. A plain state machine: no async, no sqlx, no tracing.

#[cfg_attr(
    not(feature = "_database"),
    allow(dead_code, reason = "nothing is attached")
)]
mod attachment;
mod directory;
mod epitaph;
#[cfg(feature = "_database")]
mod gate;
mod inspection;
mod life;
#[cfg_attr(
    not(feature = "_database"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "there are no repos"
    )
)]
mod registry;
#[cfg_attr(
    not(feature = "_database"),
    allow(unused_imports, reason = "sessions have gates")
)]
mod sync;
mod token;
mod tokens;

pub use life::Life;
#[cfg(feature = "_database")]
pub use registry::{Checkin, Checkout, ModeChange};
pub use token::{NotAToken, Token};

#[cfg(feature = "_database")]
pub(crate) use self::{
    attachment::Attached,
    epitaph::last_of_repo,
    inspection::paused,
    registry::{Evicted, Mode, RepoId, Ticket, Use},
};
pub(crate) use epitaph::last_of_target;
#[cfg(feature = "_database")]
pub(crate) use gate::{Gate, Pass};
pub use inspection::inspect;
pub(crate) use inspection::inspect_some;
pub(crate) use registry::{ActorId, Refused, Registry, Role, Target};

use crate::error::{Asker, Ended, Error, Place, Subject};
use directory::Directory;
use life::{Clock, Ending};
use std::fmt;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sync::{AtomicUsize, RwLock};

/// What names a task here. Only its identity: nothing of it is run or waited for.
pub(crate) type Task = tokio::task::Id;

/// Every owner of this process, and what is decided about them.
pub(crate) static DIRECTORY: Directory<Task, Owner> = Directory {
    registry: RwLock::new(Registry::new()),
    allowances: AtomicUsize::new(0),
};

/// An owner's number, unique in this process and never used again.
///
/// Our own counter, not a span id: the registry of `tracing-subscriber` uses those again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(NonZeroU64);

impl OwnerId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(
            NonZeroU64::new(id)
                .expect("a u64 counted up from 1 does not wrap around: heirloom's bug"),
        )
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An identity that owns database sessions: a running test, or one that was started by hand.
///
/// Cheap to clone; all clones are the same owner. It is *entered* to make it the current one, see
/// [`Owner::enter`], or carried into other tasks by [`owned`](crate::owned()).
#[derive(Clone)]
pub struct Owner(Arc<Inner>);

struct Inner {
    id: OwnerId,
    name: String,
    started_at: Place,
    token: Token,
    clock: Clock,
    slots: attachment::Slots,
}

/// What is attached guards itself with locks that survive a panic.
impl UnwindSafe for Owner {}
impl RefUnwindSafe for Owner {}

impl Owner {
    /// Makes a running owner, which somebody must [`end`](Owner::end). The harness does both for a test.
    pub(crate) fn begin(name: impl Into<String>, started_at: Place) -> Self {
        let owner = Self(Arc::new(Inner {
            id: OwnerId::next(),
            name: name.into(),
            started_at,
            token: Token::random(),
            clock: Clock::start(),
            slots: attachment::Slots::default(),
        }));
        DIRECTORY.write(|registry| registry.start(owner.id(), owner.clone()));
        tokens::add(&owner);
        owner
    }

    /// Its number in this process.
    #[must_use]
    pub fn id(&self) -> OwnerId {
        self.0.id
    }

    /// Its name: the test's path, `module::test`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it was started: for a test, where the test is written.
    #[must_use]
    pub fn started_at(&self) -> Place {
        self.0.started_at
    }

    /// Its random 128-bit token, which nobody can guess.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.0.token
    }

    /// Where it is in its life now.
    #[must_use]
    pub fn life(&self) -> Life {
        self.0.clock.life()
    }

    /// How long it has been running, or ran.
    pub(crate) fn ran(&self) -> Duration {
        self.0.clock.ran()
    }

    /// Somebody outside is using it now, as if they had named it by its token.
    #[cfg(all(feature = "axum", feature = "_database"))]
    pub(crate) fn is_used(&self) {
        self.0.clock.is_named();
    }

    /// How long nobody outside has named it by its token; from its start, if nobody has.
    #[cfg(all(feature = "axum", feature = "_database"))]
    pub(crate) fn idle(&self) -> Duration {
        self.0.clock.idle()
    }

    /// No new use of its sessions from now on. `by` is who asked for it, if not the test itself.
    pub(crate) fn close(&self, at: Place, by: Option<Asker>) {
        self.0.clock.close(at, by);
    }

    /// Its sessions are gone, and now its allowances and the modes that it set.
    pub(crate) fn end(&self) {
        self.0.clock.end();
        tokens::remove(self);
        let ended = DIRECTORY.write(|registry| registry.end(self.id()));
        if let Some((owner, end)) = ended {
            epitaph::of(&owner, &end);
        }
    }

    /// Fails once the owner has begun to end: it is found, never skipped, but can no longer be used.
    pub(crate) fn require_running(
        &self,
        subject: Subject,
        asked_at: Option<Place>,
    ) -> Result<(), Error> {
        match self.0.clock.ending() {
            None => Ok(()),
            Some(ending) => Err(Error::OwnerEnded {
                subject,
                ended: Box::new(self.ended(ending, Asker::now(asked_at))),
            }),
        }
    }

    fn ended(&self, ending: &Ending, asker: Asker) -> Ended {
        Ended {
            owner: self.0.name.clone(),
            started_at: self.0.started_at,
            ran: self.0.clock.ran(),
            ago: ending.when.elapsed(),
            ended_at: ending.at,
            by: ending.by.clone(),
            asker,
        }
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Owner {}

impl fmt::Debug for Owner {
    /// Without the token: whoever can read a log must not be able to use the owner's session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("id", &self.0.id.0)
            .field("name", &self.0.name)
            .field("started_at", &format_args!("{}", self.0.started_at))
            .field("life", &self.life())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

#[cfg(test)]
mod tests;
