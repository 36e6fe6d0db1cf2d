//! An owner's life, `running → closing → ended`, which only ever moves forward.

use crate::error::{Asker, Place};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where an owner is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Life {
    /// Its sessions can be used.
    Running,
    /// Its test is over; its tasks are gone and its sessions are being given back.
    Closing,
    /// Nothing of it is left.
    Ended,
}

#[derive(Debug)]
pub(super) struct Clock {
    life: AtomicU8,
    started: Instant,
    ending: OnceLock<Ending>,
    /// When somebody named it by its token last, in milliseconds from its start.
    named: AtomicU64,
}

/// How an owner began to end.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) when: Instant,
    pub(super) at: Place,
    /// Who asked for it; `None` for a test, which ends by itself.
    pub(super) by: Option<Asker>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            life: AtomicU8::new(Life::Running as u8),
            started: Instant::now(),
            ending: OnceLock::new(),
            named: AtomicU64::new(0),
        }
    }

    pub(super) fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Running,
            1 => Life::Closing,
            _ => Life::Ended,
        }
    }

    /// The first call says where it ended; later ones change nothing.
    pub(super) fn close(&self, at: Place, by: Option<Asker>) {
        self.ending.get_or_init(|| Ending {
            when: Instant::now(),
            at,
            by,
        });
        self.life.fetch_max(Life::Closing as u8, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.life.fetch_max(Life::Ended as u8, Ordering::AcqRel);
    }

    /// How it began to end. `None` while it runs.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Somebody names it by its token now.
    pub(super) fn is_named(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.named.fetch_max(now, Ordering::Relaxed);
    }

    /// How long nobody has named it by its token, or for how long it has been there at all.
    #[cfg(all(feature = "axum", feature = "_database"))]
    pub(super) fn idle(&self) -> Duration {
        let named = Duration::from_millis(self.named.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(named)
    }

    /// How long it has been running, or ran.
    pub(super) fn ran(&self) -> Duration {
        self.ending.get().map_or_else(
            || self.started.elapsed(),
            |ending| ending.when.duration_since(self.started),
        )
    }
}
