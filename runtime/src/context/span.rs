//! Asking a span for its owner, and saying so when it cannot answer.

use super::layer::{OwnerLayer, owner_of};
use crate::owner::Owner;
use tracing::{Span, dispatcher};
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

/// Why a span cannot carry an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// A filter dropped the span, or no subscriber is set.
    #[error(
        "the span is disabled, so it carries no owner\n\n  help: put filters on single layers, `fmt::layer().with_filter(..)`, not on the whole subscriber"
    )]
    SpanDisabled,
    /// The span's subscriber has no [`layer`](crate::layer()).
    #[error(
        "the span's subscriber has no heirloom layer, so spans carry no owners\n\n  help: `tracing_subscriber::registry().with(heirloom::layer())`"
    )]
    LayerMissing,
    /// The span's subscriber is not built on `tracing_subscriber::Registry`.
    #[error(
        "the span's subscriber does not keep its spans in `tracing_subscriber::Registry`, where owners are kept\n\n  help: build it as layers on `tracing_subscriber::registry()`"
    )]
    NoRegistry,
}

/// Asks a span for its owner.
pub trait SpanExt {
    /// The owner that the span carries; `None` when it was made where nobody was the owner.
    ///
    /// # Errors
    ///
    /// [`CarrierError`] when the span cannot carry one at all.
    fn owner(&self) -> Result<Option<Owner>, CarrierError>;
}

impl SpanExt for Span {
    fn owner(&self) -> Result<Option<Owner>, CarrierError> {
        self.with_subscriber(|(id, dispatch)| {
            if !dispatch.is::<OwnerLayer>() {
                return Err(CarrierError::LayerMissing);
            }
            let registry = dispatch
                .downcast_ref::<Registry>()
                .ok_or(CarrierError::NoRegistry)?;
            Ok(registry.span(id).and_then(|span| owner_of(&span)))
        })
        .unwrap_or(Err(CarrierError::SpanDisabled))
    }
}

/// Whether the subscriber that is current on this thread has the layer.
pub(crate) fn layer_is_installed() -> bool {
    dispatcher::get_default(tracing::Dispatch::is::<OwnerLayer>)
}

/// The span that a request of an owner runs in, below the one that is current where it comes in.
#[cfg(feature = "tower")]
pub(super) fn request_span(owner: &Owner) -> Span {
    let _scope = owner.enter();
    tracing::error_span!(target: "heirloom::owner", "request", owner = owner.name())
}

/// The span that a test runs in. One fixed target and level `ERROR`, because filters drop the others first.
pub(crate) fn owner_span(owner: &Owner) -> Span {
    let _scope = owner.enter();
    tracing::error_span!(target: "heirloom::owner", parent: None, "test", owner = owner.name())
}
