//! How a test fails: what people read, and what libtest is told.

use crate::error::Place;
use crate::error::{BoxError, Error, TaskView, with_causes};
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::process::{ExitCode, Termination};

/// Why a test did not get as far as its body, or not cleanly to its end.
///
/// Made from any error with `?`.
#[derive(Debug)]
pub struct Failure {
    what: String,
    place: Option<Place>,
    source: BoxError,
}

impl Failure {
    pub(super) fn new(
        what: impl Into<String>,
        place: Option<Place>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self {
            what: what.into(),
            place,
            source: source.into(),
        }
    }

    /// What a person reads: what failed, where, why, and why that.
    pub(super) fn text(&self) -> String {
        let mut text = self.what.clone();
        if let Some(place) = self.place {
            write!(text, " at {place}").expect("a string takes text");
        }
        text + ": " + &with_causes(self.source.as_ref())
    }

    /// Whether it tells of a piece of work that was spawned there, too.
    pub(super) fn names(&self, task: &TaskView) -> bool {
        match self.source.downcast_ref() {
            Some(Error::NotSettled { busy, .. }) => {
                let mut tasks = busy.tasks.iter();
                tasks.any(|told| told.spawned_at == task.spawned_at)
            }
            _ => false,
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new("the test", None, error)
    }
}

/// How a test that can return an error ended; libtest reads it.
#[derive(Debug)]
#[must_use = "return it from the test, or a returned error fails nothing"]
pub struct Outcome(pub(super) ExitCode);

impl Termination for Outcome {
    fn report(self) -> ExitCode {
        self.0
    }
}
