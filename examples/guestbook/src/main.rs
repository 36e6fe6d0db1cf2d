//! The guestbook's server. Run with: `cargo run -p guestbook`, then open <http://127.0.0.1:3000>.
//!
//! `DATABASE_URL` (default `sqlite:guestbook.sqlite`; with `--features postgres` a database on a
//! server, by default `postgres://localhost/guestbook`; made if it is missing) and `GUESTBOOK_ADDR` (default `127.0.0.1:3000`) say where.
//!
//! With `--features sandbox` suites that are not written in Rust open sessions at `/sandbox`: each has a guestbook of its
//! own, of which nothing is left. See `e2e/node`.

use guestbook::{Guestbook, REPO, URL, connect};
use std::error::Error;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = setting("DATABASE_URL", URL);
    let pool = connect(&url)
        .await
        .map_err(|error| format!("cannot open the database {url}: {error}"))?;
    REPO.init(pool.clone())?;

    let address = setting("GUESTBOOK_ADDR", "127.0.0.1:3000");
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    println!(
        "The guestbook lies open at http://{}",
        listener.local_addr()?
    );

    #[cfg(not(feature = "sandbox"))]
    let guestbook = Guestbook::open();
    #[cfg(feature = "sandbox")]
    let guestbook = Guestbook::open().with(sessions(listener.local_addr()?)?);
    guestbook.serve(listener, asked_to_stop()).await?;
    pool.close().await;
    println!("The guestbook is closed.");
    Ok(())
}

/// Where a suite in another language opens a book of its own: `POST /sandbox`.
#[cfg(feature = "sandbox")]
fn sessions(address: std::net::SocketAddr) -> Result<axum::Router, heirloom::Error> {
    let routes = heirloom::http::sandbox_routes("/sandbox").repo(&REPO);
    routes.listening_at(address)
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Ctrl-C, or what a service manager sends.
#[cfg(unix)]
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
async fn asked_to_stop() {
    drop(tokio::signal::ctrl_c().await);
}
