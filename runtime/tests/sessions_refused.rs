//! Where no session can be opened over HTTP: in production, and in a build that knows no database.

#![cfg(all(
    feature = "axum",
    not(all(feature = "sandbox", any(feature = "sqlite", feature = "postgres")))
))]

use heirloom::http::sandbox_routes;
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn there_are_no_routes_and_the_error_says_which_and_why() {
    let here = SocketAddr::from(([127, 0, 0, 1], 3000));
    let routes = sandbox_routes("/sandbox")
        .timeout(Duration::from_secs(1))
        .absolute()
        .limit(1)
        .allow_remote();
    let error = routes.listening_at(here).expect_err("none");
    let error = error.to_string();
    let why = if cfg!(feature = "sandbox") {
        "this build knows no database"
    } else {
        "this build has no sandbox"
    };
    for part in [
        why,
        "`sandbox_routes(\"/sandbox\")`",
        "sessions_refused.rs:",
        "help: ",
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}
