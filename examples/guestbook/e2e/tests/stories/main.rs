//! The guestbook's story, told in real browsers: all tests at once, against one server.
//!
//! Run with: `cargo test -p guestbook-e2e`, or on PostgreSQL with `--features postgres` and `DATABASE_URL`. Chromium and
//! its `chromedriver` have to be installed; `cargo xtask test` does that.

mod forms;
mod live;
mod others;
mod page;
mod tests_at_once;
