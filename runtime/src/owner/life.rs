//! An owner's life, `running → closing → ended`, which only ever moves forward.

use crate::error::Place;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
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
    ending: OnceLock<(Instant, Place)>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            life: AtomicU8::new(Life::Running as u8),
            started: Instant::now(),
            ending: OnceLock::new(),
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
    pub(super) fn close(&self, at: Place) {
        self.ending.get_or_init(|| (Instant::now(), at));
        self.life.fetch_max(Life::Closing as u8, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.life.fetch_max(Life::Ended as u8, Ordering::AcqRel);
    }

    /// How long it ran, how long ago it ended, and where. `None` while it runs.
    pub(super) fn ending(&self) -> Option<(Duration, Duration, Place)> {
        let (at, place) = self.ending.get()?;
        Some((at.duration_since(self.started), at.elapsed(), *place))
    }
}
