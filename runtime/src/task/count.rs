//! How much of an owner's work has something to do.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many pieces of work have something to do, in the lower half; in the upper half how often one began to.
///
/// One number, as it is written at every wake: two more are all that counting costs there.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

const BEGAN: u64 = 1 << 32;

/// An owner's work at one moment. It has passed once another one is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Count {
    #[inline]
    pub(super) fn started_work(&self) {
        self.0.fetch_add(BEGAN | 1, Ordering::AcqRel);
    }

    #[inline]
    pub(super) fn stopped_work(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::Acquire))
    }
}

impl Moment {
    /// Whether anything has something to do; threads that sleep count.
    pub(super) fn is_busy(self) -> bool {
        !self.0.is_multiple_of(BEGAN)
    }
}
