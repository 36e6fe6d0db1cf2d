//! Owners across the wire: requests and their clients.

#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod handlers;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod routes;
#[cfg(all(feature = "axum", not(all(feature = "sandbox", feature = "_database"))))]
#[path = "http/routes_plain.rs"]
mod routes;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod sessions;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod tokens;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod visitor;
#[cfg(all(feature = "axum", feature = "sandbox", feature = "_database"))]
mod wish;

#[cfg(feature = "axum")]
pub use routes::{SandboxRoutes, sandbox_routes};
