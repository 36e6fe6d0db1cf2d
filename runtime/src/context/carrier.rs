//! What a piece of work takes along from where it was made: the caller's owner and the caller's span.

use super::Found;
use super::scope::Scope;
use crate::owner::{Owner, Place};
use std::panic::Location;
use tracing::Span;
use tracing::span::Entered;

/// The owner and the span of the caller, captured.
///
/// Both, because each can be lost alone: a filter may disable the span, and a span is what other libraries propagate.
#[derive(Clone, Debug)]
pub struct Carrier {
    claim: Captured,
    span: Span,
}

#[derive(Clone, Debug)]
enum Captured {
    Owner(Owner),
    Nobody,
    Unowned { why: &'static str, at: Place },
}

impl Carrier {
    /// Captures the current owner and the current span.
    #[must_use]
    pub fn capture() -> Self {
        let claim = match super::find() {
            Found::Owner(owner) => Captured::Owner(owner),
            Found::Nobody => Captured::Nobody,
        };
        Self {
            claim,
            span: Span::current(),
        }
    }

    /// Carries this owner, and the current span.
    #[must_use]
    pub fn of(owner: &Owner) -> Self {
        Self {
            claim: Captured::Owner(owner.clone()),
            span: Span::current(),
        }
    }

    /// Carries this owner and this span.
    pub(crate) fn with_span(owner: &Owner, span: Span) -> Self {
        Self {
            claim: Captured::Owner(owner.clone()),
            span,
        }
    }

    /// Carries nobody, on purpose.
    #[must_use]
    #[track_caller]
    pub fn unowned(why: &'static str) -> Self {
        let at = Location::caller().into();
        Self {
            claim: Captured::Unowned { why, at },
            span: Span::none(),
        }
    }

    /// Enters both until the guard is dropped. The owner is entered last, so it wins over the span's.
    pub fn enter(&self) -> (Option<Scope>, Entered<'_>) {
        let span = self.span.enter();
        (self.scope(), span)
    }

    /// Enters both until the guard is dropped, and keeps the carrier alive in it.
    pub fn enter_once(self) -> CarrierScope {
        let scope_after = self.span.clone().entered();
        CarrierScope {
            _scope: self.scope(),
            _span: scope_after,
        }
    }

    fn scope(&self) -> Option<Scope> {
        match &self.claim {
            Captured::Owner(owner) => Some(Scope::of(owner.clone())),
            Captured::Unowned { why, at } => Some(Scope::unowned(why, *at)),
            Captured::Nobody => None,
        }
    }
}

/// A carrier that is entered until this is dropped. Stays on its thread.
#[must_use]
#[derive(Debug)]
pub struct CarrierScope {
    // Dropped in this order: the owner was entered last.
    _scope: Option<Scope>,
    _span: tracing::span::EnteredSpan,
}
