//! What a piece of work takes along from where it was made: the caller's owner and the caller's span.

use super::actor::Actor;
use super::claim::{Claim, Exemption};
use super::scope::Scope;
#[cfg(feature = "tower")]
use super::span::{CarrierError, SpanExt as _, request_span};
use super::stack;
use crate::owner::{Owner, Role};
use std::panic::Location;
use std::sync::Arc;
use tracing::Span;
use tracing::span::{Entered, EnteredSpan};

/// The owner and the span of the caller, captured.
///
/// Both, because each can be lost alone: a filter may disable the span, and a span is what other libraries propagate.
#[derive(Clone, Debug)]
pub struct Carrier {
    claim: Option<Claim>,
    span: Span,
    /// Made where work is handed to a task.
    birth: bool,
    actor: Option<Arc<Actor>>,
}

impl Carrier {
    /// Captures the current owner and the current span.
    #[must_use]
    pub fn capture() -> Self {
        Self {
            claim: stack::claim().map(Claim::inherited),
            span: Span::current(),
            birth: false,
            actor: None,
        }
    }

    /// Captures the current owner and the current span at a spawn: what a task is born with gives way to what the task is
    /// allowed, unlike an owned future that is awaited somewhere.
    #[must_use]
    pub fn at_spawn() -> Self {
        Self {
            birth: true,
            ..Self::capture()
        }
    }

    /// Carries this owner, and the current span.
    pub(crate) fn of(owner: &Owner) -> Self {
        Self::with_span(owner, Span::current())
    }

    /// Carries this owner and this span.
    pub(crate) fn with_span(owner: &Owner, span: Span) -> Self {
        Self {
            claim: Some(Claim::Owned(owner.clone(), Role::Owner)),
            span,
            birth: false,
            actor: None,
        }
    }

    /// Carries this owner for what comes in from outside, in a span that carries it too: the current one if it is the
    /// owner's, else one below that, so that what libraries propagate is the owner's.
    #[cfg(feature = "tower")]
    pub(crate) fn from_outside(owner: &Owner) -> Self {
        let current = Span::current();
        let span = match current.owner() {
            Ok(Some(same)) if same == *owner => current,
            Ok(_) | Err(CarrierError::SpanDisabled) => request_span(owner),
            Err(CarrierError::LayerMissing | CarrierError::NoRegistry) => current,
        };
        Self::with_span(owner, span)
    }

    /// What it carries is the work of an actor, which starts now and ends when the last clone of this is dropped.
    pub fn start_actor(&mut self, name: &'static str) {
        let born = match &self.claim {
            Some(Claim::Owned(owner, _)) => Some(owner.id()),
            _ => None,
        };
        self.actor = Some(Arc::new(Actor::starts(name, born)));
    }

    /// Captures the current owner and the current span for an actor that starts.
    #[must_use]
    pub fn capture_for(actor: &'static str) -> Self {
        let mut carrier = Self::at_spawn();
        carrier.start_actor(actor);
        carrier
    }

    /// Carries nobody, on purpose.
    #[must_use]
    #[track_caller]
    pub fn unowned(why: &'static str) -> Self {
        let at = Location::caller().into();
        let claim = Claim::Unowned(Arc::new(Exemption { why, at }));
        let scope = Scope::enter(claim.clone());
        // Of nobody's, in the place of the span that the threads of a test's runtime are in.
        let span = tracing::error_span!(target: "heirloom::owner", parent: None, "unowned");
        drop(scope);
        Self {
            claim: Some(claim),
            span,
            birth: true,
            actor: None,
        }
    }

    /// Whose it makes what it is entered for.
    pub(crate) fn owner(&self) -> Option<&Owner> {
        match &self.claim {
            Some(Claim::Owned(owner, _)) => Some(owner),
            _ => None,
        }
    }

    /// The actor whose work it is entered for.
    pub(crate) fn actor_name(&self) -> Option<&'static str> {
        self.actor.as_ref().map(|actor| actor.name())
    }

    /// Enters both until the guard is dropped. The owner is entered last, so it wins over the span's.
    pub fn enter(&self) -> CarrierEntered<'_> {
        let actor = self.actor.as_ref().map(|actor| actor.id());
        let claim = match &self.claim {
            Some(claim) => claim.clone(),
            // An actor of nobody: it may have been allowed by its name.
            None if actor.is_some() => Claim::Nobody,
            None => {
                return CarrierEntered {
                    scope: None,
                    span: Some(self.span.enter()),
                };
            }
        };
        let span = stack::naming_the_owner(|| self.span.enter());
        CarrierEntered {
            scope: Some(Scope::enter_work(claim, self.birth, actor)),
            span: Some(span),
        }
    }

    /// Enters both until the guard is dropped, and keeps the carrier alive in it.
    pub fn enter_once(self) -> CarrierScope {
        let actor = self.actor.as_ref().map(|actor| actor.id());
        let span = self.span.entered();
        let scope = self
            .claim
            .map(|claim| Scope::enter_work(claim, self.birth, actor));
        CarrierScope {
            _scope: scope,
            _span: span,
            _actor: self.actor,
        }
    }
}

/// A borrowed carrier that is entered until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct CarrierEntered<'a> {
    /// `None` when nobody is carried; then the span is entered and left as any other.
    scope: Option<Scope>,
    span: Option<Entered<'a>>,
}

impl Drop for CarrierEntered<'_> {
    /// The span is left as it was entered: the same one may be entered further out, and that entry must stay.
    fn drop(&mut self) {
        let span = self.span.take();
        if let Some(scope) = self.scope.take() {
            drop(scope);
            stack::naming_the_owner(|| drop(span));
        }
    }
}

/// A carrier that is entered until this is dropped. Stays on its thread.
#[must_use]
#[derive(Debug)]
pub struct CarrierScope {
    // Dropped in this order: the owner was entered last.
    _scope: Option<Scope>,
    _span: EnteredSpan,
    _actor: Option<Arc<Actor>>,
}
