//! Who is the owner right now? One look-up, several carriers.
//!
//! [`current`] is the only place that answers. The carriers are a scope entered on this thread (a guard, an owned
//! future, a span), an allowance for the task or the actor that runs, what the task was born with, and the thread itself,
//! when it belongs to a test's runtime.

#[cfg(feature = "sandbox")]
mod actor;
#[cfg(feature = "sandbox")]
mod allow;
#[cfg(all(feature = "sandbox", tokio_unstable))]
pub(crate) mod births;
#[cfg(all(feature = "sandbox", not(tokio_unstable)))]
#[path = "context/births_unknown.rs"]
mod births;
#[cfg(feature = "sandbox")]
mod carrier;
#[cfg(not(feature = "sandbox"))]
#[path = "context/carrier_plain.rs"]
mod carrier;
#[cfg(feature = "sandbox")]
pub(crate) mod changes;
#[cfg(feature = "sandbox")]
mod claim;
#[cfg(feature = "sandbox")]
mod layer;
#[cfg(feature = "sandbox")]
mod lookup;
#[cfg(feature = "sandbox")]
mod repeats;
#[cfg(feature = "sandbox")]
mod scope;
#[cfg(feature = "sandbox")]
mod span;
#[cfg(feature = "sandbox")]
mod stack;

pub use carrier::Carrier;
pub(crate) use carrier::CarrierScope;

#[cfg(feature = "sandbox")]
pub use self::{
    allow::AllowTarget,
    layer::{OwnerLayer, layer},
    lookup::{current, require_current, with_current},
    scope::Scope,
    span::{CarrierError, SpanExt},
};
#[cfg(feature = "sandbox")]
pub(crate) use self::{
    scope::{mark_this_thread, mark_thread, unmark_thread},
    span::{layer_is_installed, owner_span},
};

#[cfg(all(feature = "sandbox", tokio_unstable))]
pub(crate) use stack::inherited;

#[cfg(all(feature = "sandbox", feature = "_database"))]
pub(crate) use lookup::{current_role, trail};

#[cfg(all(test, feature = "sandbox"))]
mod tests;
