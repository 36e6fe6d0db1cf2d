//! The primitives of the concurrent edges, in one place: a model checker exchanges them for its own.

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Mutex, PoisonError, RwLock};
