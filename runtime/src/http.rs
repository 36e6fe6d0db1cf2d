//! Owners across the wire: requests run as the owner whose token they bring, clients send their owner's token along.
//!
//! A browser, another process or a client of one's own names the test that it works for by a token, 32 hexadecimal digits
//! that only this run of that test has: in the user agent, `Mozilla/5.0 … heirloom/0f3c…`, because that survives everything,
//! the handshake of a WebSocket included; in a header of its own; or in W3C `baggage`, from service to service.
//! [`SandboxLayer`] reads it on every request and runs the handler as that owner. [`TokenLayer`] puts it on what is sent.
//! With the feature `axum`, `sandbox_routes` hands out sessions to suites that are not written in Rust.
//!
//! Without the `sandbox` feature both layers are there and do nothing, `Layer<S, Service = S>`, and the routes refuse to be
//! made; what deals with an owner as a value, as `owner_of` does, is not there.

#[cfg(feature = "sandbox")]
mod body;
#[cfg(feature = "sandbox")]
mod client;
#[cfg(feature = "sandbox")]
mod door;
#[cfg(feature = "sandbox")]
pub(crate) mod header;
#[cfg(feature = "sandbox")]
mod here;
#[cfg(feature = "sandbox")]
mod layer;
#[cfg(not(feature = "sandbox"))]
mod plain;
#[cfg(feature = "sandbox")]
mod refusal;
#[cfg(feature = "sandbox")]
mod request;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod routes;
#[cfg(all(feature = "axum", not(all(feature = "sandbox", feature = "_database"))))]
#[path = "http/routes_plain.rs"]
mod routes;
#[cfg(feature = "sandbox")]
mod service;

#[cfg(feature = "sandbox")]
pub use self::{
    body::SandboxBody,
    client::{TokenFuture, TokenLayer, TokenService},
    layer::{SandboxLayer, owner_of},
    refusal::Refused,
    service::{SandboxFuture, SandboxService},
};
#[cfg(not(feature = "sandbox"))]
pub use plain::{SandboxLayer, TokenLayer};
#[cfg(feature = "axum")]
pub use routes::{SandboxRoutes, sandbox_routes};
