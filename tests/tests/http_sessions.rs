//! Sessions that are opened over HTTP, as a suite in another language does, on a server that no test owns. No test of this
//! program is sandboxed, so that the server's repos are what they are outside of suites.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "http_sessions/bad.rs"]
mod bad;
#[path = "http_sessions/ends.rs"]
mod ends;
mod http;
#[path = "http_sessions/life.rs"]
mod life;
#[path = "http_sessions/postgres.rs"]
mod postgres;
#[path = "http_sessions/server.rs"]
mod server;
#[path = "http_sessions/storm.rs"]
mod storm;
