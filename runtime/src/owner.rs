//! Who owns: identity, life, and what hangs on an owner. A plain state machine: no async, no sqlx, no tracing.

#[cfg(feature = "_database")]
mod attachment;
mod life;
mod token;

pub use life::Life;
pub use token::Token;

use crate::error::{Asker, Ended, Error, Place, Subject};
use life::Clock;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// An identity that owns database sessions: a running test.
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
    #[cfg(feature = "_database")]
    attachment: attachment::Slot,
}

/// What is attached guards itself with locks that survive a panic.
impl UnwindSafe for Owner {}
impl RefUnwindSafe for Owner {}

impl Owner {
    /// Makes a running owner. The harness does this for a test.
    pub(crate) fn start(name: impl Into<String>, started_at: Place) -> Self {
        Self(Arc::new(Inner {
            id: OwnerId::next(),
            name: name.into(),
            started_at,
            token: Token::random(),
            clock: Clock::start(),
            #[cfg(feature = "_database")]
            attachment: attachment::Slot::default(),
        }))
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

    /// No new use of its sessions from now on.
    pub(crate) fn close(&self, at: Place) {
        self.0.clock.close(at);
    }

    /// Its sessions are gone.
    pub(crate) fn end(&self) {
        self.0.clock.end();
    }

    /// Fails once the owner has begun to end: it is found, never skipped, but can no longer be used.
    pub(crate) fn require_running(
        &self,
        subject: Subject,
        asked_at: Option<Place>,
    ) -> Result<(), Error> {
        let Some((ran, ago, ended_at)) = self.0.clock.ending() else {
            return Ok(());
        };
        Err(Error::OwnerEnded {
            subject,
            ended: Box::new(Ended {
                owner: self.0.name.clone(),
                started_at: self.0.started_at,
                ran,
                ago,
                ended_at,
                asker: Asker::now(asked_at),
            }),
        })
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
