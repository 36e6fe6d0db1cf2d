//! Requests, handled or sent: what somebody waits for although nothing of it may run here.

use crate::error::RequestView;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

/// Its method and target, displayed without the query.
pub(crate) type Line = Box<dyn fmt::Display + Send + Sync>;

/// What is known of a request.
pub(super) struct Flight {
    line: Line,
    since: Instant,
    state: AtomicU8,
}

/// It is waited for.
const FLYING: u8 = 0;
/// Its client is gone.
const LANDED: u8 = 1;
/// Its response's body is all that is left of it.
const STREAMING: u8 = 2;

impl Flight {
    pub(super) fn starts(line: Line) -> Self {
        Self {
            line,
            since: Instant::now(),
            state: AtomicU8::new(FLYING),
        }
    }

    /// It is waited for no longer. `false` when that was known.
    pub(super) fn lands(&self) -> bool {
        let landed =
            self.state
                .compare_exchange(FLYING, LANDED, Ordering::AcqRel, Ordering::Acquire);
        landed.is_ok()
    }

    /// Its response's head is there.
    pub(super) fn streams(&self) -> bool {
        self.state.swap(STREAMING, Ordering::AcqRel) == FLYING
    }

    pub(super) fn is_flying(&self) -> bool {
        self.state.load(Ordering::Acquire) == FLYING
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.state.load(Ordering::Acquire) == STREAMING
    }

    pub(super) fn view(&self) -> RequestView {
        RequestView {
            line: self.line.to_string(),
            ago: self.since.elapsed(),
            in_flight: self.is_flying(),
        }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flight({})", self.line)
    }
}
