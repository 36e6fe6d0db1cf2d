//! The guestbook's story, told by tests that each own a database of their own.
//!
//! Run with: `cargo test -p guestbook`

mod entries;
mod isolation;
mod page;
mod server;
mod sign_up;
mod statistics;
mod support;
mod transactions;
mod welcome;
