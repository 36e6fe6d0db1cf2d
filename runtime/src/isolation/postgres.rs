//! PostgreSQL: every owner gets one session whose transaction is never committed, and the application any number of
//! virtual connections to it; or a private database, cloned from the template.
#![allow(dead_code, unused_imports, reason = "its rooms are moved into one by one")]

mod config;
mod frame;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod sql;
mod template;
mod upstream;
