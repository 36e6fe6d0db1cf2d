//! The layer that makes spans carry owners.

use super::claim::Claim;
use super::stack::{self, Key};
use crate::owner::{Owner, Role};
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// A [`tracing_subscriber::Layer`] that makes every span carry its owner, so that whatever propagates spans propagates
/// ownership: `.in_current_span()`, `.instrument(..)`, the message spans of actor libraries.
///
/// A span's owner is its explicit parent's, else that of the first span it `follows_from`, else the one current on the
/// thread when it was made, whether it was declared a root or not.
///
/// `#[sandboxed]` installs it with a subscriber of its own if no global one is set. Where one is set, add it:
///
/// ```
/// use tracing_subscriber::prelude::*;
/// let subscriber = tracing_subscriber::registry().with(heirloom::layer());
/// # let _ = subscriber;
/// ```
///
/// Put filters on the other layers, not on the whole subscriber: a span that a filter drops carries nothing.
#[must_use]
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Only spans: the layer must not be the reason that events nobody reads are recorded.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is generic over its lifetime in a way that the filter does not take"
    )]
    OwnerLayer::unfiltered().with_filter(filter_fn(|metadata| metadata.is_span()))
}

/// What [`layer`] makes; public so that a subscriber can be asked whether it has one
/// (`dispatch.is::<heirloom::OwnerLayer>()`).
#[derive(Debug)]
pub struct OwnerLayer {
    number: u64,
}

impl OwnerLayer {
    /// For a subscriber that filters events itself.
    pub(crate) fn unfiltered() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn key(&self, span: &Id) -> Key {
        Key::Span {
            layer: self.number,
            span: span.into_u64(),
        }
    }
}

/// A span's owner, kept in the span's extensions.
pub(super) struct SpanOwner {
    owner: Option<Owner>,
    /// Set by an explicit parent or by the first link: later links change nothing.
    settled: bool,
}

/// The owner that a span carries.
pub(super) fn owner_of<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<Owner> {
    span.extensions()
        .get::<SpanOwner>()
        .and_then(|carried| carried.owner.clone())
}

impl<S> Layer<S> for OwnerLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let parent = attributes
            .parent()
            .and_then(|parent| ctx.span(parent))
            .and_then(|parent| owner_of(&parent));
        let settled = parent.is_some();
        let owner = parent.or_else(super::current);
        // A layer that is installed twice says the same twice. What it said before is dropped once the lock is free.
        let before = span.extensions_mut().replace(SpanOwner { owner, settled });
        drop(before);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let followed = ctx.span(follows).and_then(|span| owner_of(&span));
        let mut replaced = None;
        if let Some(carried) = span.extensions_mut().get_mut::<SpanOwner>()
            && !carried.settled
        {
            carried.settled = true;
            if followed.is_some() {
                replaced = std::mem::replace(&mut carried.owner, followed);
            }
        }
        drop(replaced);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if stack::owner_is_named() {
            return;
        }
        if let Some(owner) = ctx.span(id).and_then(|span| owner_of(&span)) {
            stack::push(self.key(id), Claim::Owned(owner, Role::Heir));
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        if !stack::owner_is_named() {
            stack::pop(self.key(id));
        }
    }
}
