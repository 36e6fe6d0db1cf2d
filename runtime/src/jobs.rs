//! Background jobs: their queues, run inside a test.

#[cfg(feature = "apalis")]
pub mod apalis;
#[cfg(feature = "sandbox")]
mod drain_queue;

#[cfg(feature = "sandbox")]
pub use drain_queue::{DrainQueue, Drained, FailedJob, drain_queue};
