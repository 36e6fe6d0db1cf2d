//! Databases for the two sides.

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::script::Batch;
use std::io;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// Makes a database anew on the server of this endpoint.
///
/// # Errors
///
/// What the server said.
pub async fn make(server: &Endpoint, name: &str) -> io::Result<Endpoint> {
    let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
    tell(server, &[&drop_statement(name), &create]).await?;
    Ok(server.with_database(name))
}

/// Drops it; the server waits for who is about to leave.
///
/// # Errors
///
/// What the server said.
pub async fn drop(server: &Endpoint, name: &str) -> io::Result<()> {
    tell(server, &[&drop_statement(name)]).await
}

fn drop_statement(name: &str) -> String {
    // With force it would fail because of the server's own autovacuum, without it ends that.
    format!("DROP DATABASE IF EXISTS \"{name}\"")
}

async fn tell(server: &Endpoint, statements: &[&str]) -> io::Result<()> {
    let mut client = Client::connect(server, &[], PATIENCE).await?;
    for sql in statements {
        let transcript = client.exchange(&Batch::query(*sql)).await;
        if transcript.failed() || !client.is_open() {
            return Err(io::Error::other(format!("`{sql}`:\n{transcript}")));
        }
    }
    client.close().await;
    Ok(())
}
