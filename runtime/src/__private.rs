//! What generated code names. Not for people, and outside semver.

#![allow(missing_docs, reason = "documented where it is defined")]

pub use crate::context::Carrier;
pub use crate::task::Owned;
pub use crate::task::work::{AnyWork, BoxedWork, ClosureWork, FutureWork, ParameterWork, work};
pub use std::future::Future;
pub use std::result::Result;
pub use std::time::Duration;
pub use std::{column, concat, env, file, include_str, line, module_path};

#[cfg(feature = "sandbox")]
pub use crate::error::Place;
#[cfg(feature = "sandbox")]
pub use crate::harness::{Drain, Failure, Outcome, Test, argument};

/// A future that belongs to whoever called the function that made it.
#[track_caller]
pub fn task<F: Future>(future: F) -> Owned<F> {
    crate::task::task(future)
}

/// The same for an actor of this name.
#[track_caller]
pub fn named_task<F: Future>(name: &'static str, future: F) -> Owned<F> {
    crate::task::task(future).named(name)
}

/// The database calls of the current owner that are under way, for heirloom's own tests of that.
#[cfg(all(feature = "sandbox", feature = "_database"))]
pub async fn in_flight() -> Vec<String> {
    match crate::context::current() {
        Some(owner) => crate::repo::in_flight(&owner).await,
        None => Vec::new(),
    }
}

/// The package that the calling code is compiled in.
#[doc(hidden)]
#[macro_export]
macro_rules! __manifest_dir {
    () => {
        $crate::__private::env!("CARGO_MANIFEST_DIR")
    };
}
pub use __manifest_dir as manifest_dir;

#[cfg(all(fuzzing, feature = "sandbox", feature = "postgres"))]
pub fn fuzz_frames(bytes: &[u8]) {
    crate::isolation::fuzz::frames(bytes);
}

#[cfg(all(fuzzing, feature = "sandbox", feature = "tower"))]
pub fn fuzz_header(bytes: &[u8]) {
    crate::http::header::fuzz(bytes);
}

#[cfg(all(fuzzing, feature = "sandbox", feature = "postgres"))]
pub fn fuzz_sql(bytes: &[u8]) {
    crate::isolation::fuzz::query(bytes);
}
