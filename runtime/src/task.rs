//! What `#[owned_task]` and `#[sandboxed]` do with the work that is handed to a `spawn`, and messages that are handled as
//! their sender's.

mod envelope;
pub(crate) mod work;

pub use envelope::Envelope;
