//! Work that belongs to an owner: how it is wrapped, who keeps count of it, and when it is over; messages that are handled
//! as their sender's.

#[cfg(feature = "sandbox")]
mod context;
#[cfg(not(feature = "sandbox"))]
#[path = "task/context_plain.rs"]
mod context;
#[cfg(feature = "sandbox")]
mod count;
#[cfg(feature = "sandbox")]
mod entry;
mod envelope;
#[cfg(feature = "sandbox")]
mod eventually;
mod extension;
#[cfg(feature = "sandbox")]
#[cfg_attr(
    not(feature = "tower"),
    allow(dead_code, reason = "there are no requests")
)]
mod flight;
mod owned;
#[cfg(feature = "serde")]
mod payload;
#[cfg(feature = "sandbox")]
mod rest;
#[cfg(feature = "sandbox")]
mod settle;
#[cfg(feature = "sandbox")]
mod thread;
#[cfg(feature = "sandbox")]
mod tracked;
#[cfg(not(feature = "sandbox"))]
#[path = "task/tracked_plain.rs"]
mod tracked;
#[cfg(feature = "sandbox")]
mod tracker;
pub(crate) mod work;

pub use context::OwnerContext;
pub use envelope::Envelope;
pub use extension::{ClosureExt, FutureExt};
pub(crate) use owned::task;
pub use owned::{Owned, owned, owned_fn};

#[cfg(all(feature = "sandbox", feature = "tower"))]
pub(crate) use flight::Line;
#[cfg(all(feature = "sandbox", feature = "_database"))]
pub(crate) use settle::abort;

#[cfg(feature = "sandbox")]
pub(crate) use self::{
    rest::Rest,
    settle::{InFlight, SETTLE_TIMEOUT, Until, Watched, wait},
    tracked::Tracked,
    tracker::Tracker,
};
#[cfg(feature = "sandbox")]
pub use eventually::{Condition, eventually, eventually_within};
