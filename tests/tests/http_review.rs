//! A sceptic's requests.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "http_review/app.rs"]
mod app;
#[path = "http_review/clients.rs"]
mod clients;
#[path = "http_review/ends.rs"]
mod ends;
mod http;
#[path = "http_review/layers.rs"]
mod layers;
