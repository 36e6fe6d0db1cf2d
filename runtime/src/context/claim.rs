//! What is said about whose something is.

use crate::error::Place;
use crate::owner::{Owner, Role};
use std::sync::Arc;

/// What a scope says about ownership.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// Everything inside belongs to this owner; whether it is the owner itself, or its heir.
    Owned(Owner, Role),
    /// Everything inside belongs to nobody, on purpose: `#[unowned("why")]`.
    Unowned(Arc<Exemption>),
    /// Nobody owned it when it was made: an actor that waits to be allowed. As if nothing were entered.
    Nobody,
}

impl Claim {
    /// What others inherit from it.
    pub(super) fn inherited(self) -> Self {
        match self {
            Self::Owned(owner, _) => Self::Owned(owner, Role::Heir),
            other => other,
        }
    }

    /// What it is inside another in the same task: an owner's spans and owned futures are its own code.
    #[inline]
    pub(super) fn inside(self, outer: &Self) -> Self {
        match (self, outer) {
            (Self::Owned(owner, Role::Heir), Self::Owned(same, Role::Owner)) if owner == *same => {
                Self::Owned(owner, Role::Owner)
            }
            (claim, _) => claim,
        }
    }
}

/// Why something belongs to nobody, and where that is written.
#[derive(Debug)]
pub(crate) struct Exemption {
    pub(crate) why: &'static str,
    pub(crate) at: Place,
}
