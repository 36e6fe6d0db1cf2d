//! The same as [`owned`](crate::owned()) and [`owned_fn`](crate::owned_fn), as methods.

use super::owned::{Owned, carried_fn};
use crate::context::Carrier;
use std::future::Future;

/// Gives futures `.owned()` and `.owned_by(&owner)`.
pub trait FutureExt: Future + Sized {
    /// Makes this future belong to the current owner; see [`owned`](crate::owned()).
    #[track_caller]
    fn owned(self) -> Owned<Self> {
        Owned::lent(self, Carrier::capture())
    }

    /// Makes this future belong to `owner`, whoever is the current one.
    ///
    /// What was called before keeps its owner: `REPO.acquire().owned_by(&owner)` acquires for the caller, because a
    /// [`Repo`](crate::Repo) looks its owner up when it is called. `async { REPO.acquire().await }.owned_by(&owner)`
    /// acquires for `owner`.
    #[cfg(feature = "sandbox")]
    #[track_caller]
    fn owned_by(self, owner: &crate::Owner) -> Owned<Self> {
        Owned::lent(self, Carrier::of(owner))
    }
}

impl<F: Future> FutureExt for F {}

/// Gives closures without arguments `.owned()` and `.owned_by(&owner)`.
pub trait ClosureExt<R>: FnOnce() -> R + Sized {
    /// Makes this closure belong to the current owner; see [`owned_fn`](crate::owned_fn).
    #[track_caller]
    fn owned(self) -> impl FnOnce() -> R {
        carried_fn(self, Carrier::capture())
    }

    /// Makes this closure belong to `owner`, whoever is the current one.
    #[cfg(feature = "sandbox")]
    #[track_caller]
    fn owned_by(self, owner: &crate::Owner) -> impl FnOnce() -> R {
        carried_fn(self, Carrier::of(owner))
    }
}

impl<F: FnOnce() -> R, R> ClosureExt<R> for F {}
