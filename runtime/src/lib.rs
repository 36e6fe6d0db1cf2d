#![cfg_attr(
    all(feature = "macros", feature = "sandbox", feature = "sqlite"),
    doc = include_str!("lib.md")
)]
#![cfg_attr(
    not(all(feature = "macros", feature = "sandbox", feature = "sqlite")),
    doc = "Gives every async test its own view of a real database. Its documentation is built with all features."
)]

#[cfg(feature = "sandbox")]
mod alarm;
#[cfg(feature = "sandbox")]
mod clock;
mod context;
mod error;
#[cfg(feature = "sandbox")]
mod harness;
#[cfg(feature = "tower")]
pub mod http;
#[cfg(all(feature = "sandbox", feature = "_database"))]
mod isolation;
mod jobs;
#[cfg(feature = "sandbox")]
mod names;
#[cfg(not(feature = "sandbox"))]
#[path = "names_plain.rs"]
mod names;
#[cfg(feature = "sandbox")]
mod owner;
#[cfg(feature = "_database")]
mod repo;
#[cfg(all(tokio_unstable, feature = "sandbox"))]
pub mod runtime;
#[cfg(all(tokio_unstable, not(feature = "sandbox")))]
#[path = "runtime_plain.rs"]
pub mod runtime;
mod task;
#[cfg(feature = "sandbox")]
mod unique;

#[doc(hidden)]
pub mod __private;

pub use error::Error;
#[cfg(feature = "macros")]
pub use heirloom_macros::{deny_unowned_spawns, owned_task, sandboxed, test, unowned};
#[cfg(feature = "apalis")]
pub use jobs::apalis;
pub use names::scoped_name;
#[cfg(feature = "_database")]
pub use repo::{OrphanPolicy, Repo, Supported};
pub use task::{Envelope, OwnerContext};

pub use task::{ClosureExt, FutureExt, Owned, owned, owned_fn};

#[cfg(feature = "sandbox")]
pub use sandbox::*;

/// What exists only with the `sandbox` feature, under one roof.
#[cfg(feature = "sandbox")]
mod sandbox {
    pub use crate::context::{
        AllowTarget, CarrierError, OwnerLayer, Scope, SpanExt, current, layer, require_current,
        with_current,
    };
    pub use crate::error::{
        Asker, Busy, Ended, Inspection, OwnerView, Panicked, PausedView, Place, Refusal, RepoView,
        RequestView, SessionView, Subject, Taken, TaskKind, TaskState, TaskView, Trail, Why,
    };
    #[cfg(feature = "_database")]
    pub use crate::harness::Env;
    pub use crate::harness::{BoxError, Drain, FromSandbox, Outcome, Sandbox, Test};
    #[cfg(feature = "_database")]
    pub use crate::isolation::{Isolation, IsolationLevel, Kept};
    pub use crate::jobs::{DrainQueue, Drained, FailedJob, drain_queue};
    #[cfg(feature = "_database")]
    pub use crate::owner::{Checkin, Checkout, ModeChange};
    pub use crate::owner::{Life, NotAToken, Owner, OwnerId, Token, inspect};
    #[cfg(feature = "_database")]
    pub use crate::repo::{CheckoutRequest, Mode, StartOwner, StartedOwner, unboxed};
    pub use crate::task::{Condition, eventually, eventually_within};
    pub use crate::unique::unique;
}
