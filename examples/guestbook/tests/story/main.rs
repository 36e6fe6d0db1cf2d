//! The guestbook's story, told by tests that each own a database of their own.
//!
//! Run with: `cargo test -p guestbook`, or on PostgreSQL `cargo test -p guestbook --features postgres`; `DATABASE_URL` says
//! there, or in a file `.env`, on which server.

mod entries;
mod isolation;
#[cfg(not(feature = "postgres"))]
mod kept;
mod live;
mod one_server;
mod page;
mod server;
mod sign_up;
mod statistics;
mod support;
mod transactions;
mod welcome;
