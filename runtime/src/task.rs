//! What `#[owned_task]` and `#[sandboxed]` do with the work that is handed to a `spawn`.

pub(crate) mod work;
