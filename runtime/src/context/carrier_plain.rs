//! What a piece of work takes along in production: the caller's span, nothing else.

use tracing::Span;
use tracing::span::{Entered, EnteredSpan};

/// The span of the caller, captured.
#[derive(Clone, Debug)]
pub struct Carrier {
    span: Span,
}

impl Carrier {
    /// Captures the current span.
    #[must_use]
    pub fn capture() -> Self {
        Self {
            span: Span::current(),
        }
    }

    /// The same as [`Carrier::capture`].
    #[must_use]
    pub fn at_spawn() -> Self {
        Self::capture()
    }

    /// Names are for tests.
    pub fn start_actor(&mut self, _name: &'static str) {}

    /// The same as [`Carrier::capture`]: names are for tests.
    #[must_use]
    pub fn capture_for(_actor: &'static str) -> Self {
        Self::capture()
    }

    /// Carries nothing, on purpose.
    #[must_use]
    pub fn unowned(_why: &'static str) -> Self {
        Self { span: Span::none() }
    }

    /// Enters it until the guard is dropped.
    pub fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Enters it until the guard is dropped, and keeps it alive in there.
    pub fn enter_once(self) -> CarrierScope {
        CarrierScope {
            _span: self.span.entered(),
        }
    }
}

/// A carrier that is entered until this is dropped. Stays on its thread.
#[must_use]
#[derive(Debug)]
pub struct CarrierScope {
    _span: EnteredSpan,
}
