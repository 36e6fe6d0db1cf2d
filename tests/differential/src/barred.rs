//! Statements that a server runs outside of transactions only. A candidate that is in one says so, as a server does within
//! a transaction, and is as usable after it as before.

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::schema;
use crate::script::Batch;
use crate::transcript::Transcript;
use std::io;
use std::time::Duration;

/// Statements that cannot be in a transaction.
pub const BARRED: &[&str] = &[
    "VACUUM",
    "VACUUM (ANALYZE) log",
    "/* before */ vacuum full log",
    "CREATE DATABASE barred",
    "DROP DATABASE barred",
    "ALTER DATABASE postgres SET TABLESPACE pg_default",
    "CREATE TABLESPACE barred LOCATION '/nowhere'",
    "DROP TABLESPACE barred",
    "CREATE INDEX CONCURRENTLY barred ON log (what)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS barred ON log (what)",
    "DROP INDEX CONCURRENTLY barred",
    "REINDEX TABLE CONCURRENTLY log",
    "REINDEX (CONCURRENTLY) TABLE log",
    "REINDEX SCHEMA t",
    "CLUSTER",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "ALTER SYSTEM RESET work_mem",
    "DISCARD ALL",
    "COMMIT PREPARED 'barred'",
    "ROLLBACK PREPARED 'barred'",
    "CREATE SUBSCRIPTION barred CONNECTION 'dbname=nowhere' PUBLICATION p",
];

/// Where to ask for what is barred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// In a transaction: nothing of it runs, whatever answers.
    InTransactions,
    /// Outside as well: of a candidate that never is. A real server does what it is asked for.
    Everywhere,
}

/// Asks for all of them in each way; returns what was not answered as it must be.
///
/// # Errors
///
/// A candidate that cannot be reached or cannot have its tables.
pub async fn check_barred(
    candidate: &Endpoint,
    asked: Asked,
    patience: Duration,
) -> io::Result<Vec<String>> {
    let mut client = Client::connect(candidate, schema::STARTUP, patience).await?;
    let made = client.exchange(&schema::make()).await;
    if made.failed() || !client.is_open() {
        return Err(io::Error::other(format!("no tables can be made:\n{made}")));
    }
    let mut wrong = Vec::new();
    let everywhere = asked == Asked::Everywhere;
    let ways = [("SELECT 1", b'I'), ("BEGIN", b'E')];
    let ways = ways
        .into_iter()
        .filter(|(_, status)| everywhere || *status == b'E');
    for sql in BARRED {
        for (before, status) in ways.clone() {
            for batch in [Batch::query(*sql), Batch::extended(sql)] {
                client.exchange(&Batch::query(before)).await;
                let answer = client.exchange(&batch).await;
                if !is_refusal(&answer) || client.status() != status {
                    wrong.push(format!("{batch}{answer}"));
                }
                let after = [
                    Batch::query("ROLLBACK"),
                    Batch::query("SELECT count(*) FROM parent"),
                ];
                for batch in &after {
                    let answer = client.exchange(batch).await;
                    if answer.failed() {
                        wrong.push(format!("after `{sql}`:\n{batch}{answer}"));
                    }
                }
                if !client.is_open() {
                    return Ok(wrong);
                }
            }
        }
    }
    client.close().await;
    Ok(wrong)
}

fn is_refusal(answer: &Transcript) -> bool {
    answer.kinds().any(|kind| kind == "error C25001")
}
