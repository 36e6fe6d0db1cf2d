//! Taking away what tests leave in a template's files, before it changes plans.

use super::name::literal;
use crate::isolation::postgres::upstream::{QueryError, Upstream};

/// How many pages a table may have grown beyond what its statistics say.
const GROWN: u32 = 32;

/// Vacuums the tables that have grown, in a session that is in no transaction; says how many there were.
///
/// Rows that were never committed stay in the files, and the planner goes by the size of the files: after 2,000 tests
/// of 5 rows each, an empty table of 182 pages was taken for one of 20,000 rows and read by its index instead of in
/// order. Such rows are dead for everybody at once, so it helps while tests run, too. A table that somebody has locked
/// against it is left for the next time.
pub(crate) async fn tidy(session: &mut Upstream) -> Result<usize, QueryError> {
    session.simple("SET lock_timeout = 100").await?;
    let grown = grown(session).await;
    session.simple("RESET lock_timeout").await?;
    let grown = match grown {
        // Locked just now.
        Err(error) if error.code() == Some("55P03") => return Ok(0),
        other => other?,
    };
    // One by one: several statements in one string are a transaction, in which VACUUM is barred.
    for table in &grown {
        session
            .simple(&format!("VACUUM (SKIP_LOCKED) {table}"))
            .await?;
    }
    Ok(grown.len())
}

/// Asking for a table's size waits for whoever has it all for himself, such as a test that alters it, so those are
/// left out first.
async fn grown(session: &mut Upstream) -> Result<Vec<String>, QueryError> {
    let ours = literal("autovacuum_enabled=false");
    let sql = format!(
        "WITH free AS MATERIALIZED (SELECT oid, relpages FROM pg_class c \
         WHERE relkind IN ('r', 'm') AND {ours} = ANY (reloptions) AND pg_has_role(relowner, 'USAGE') \
         AND NOT EXISTS (SELECT FROM pg_locks WHERE relation = c.oid AND mode = 'AccessExclusiveLock')) \
         SELECT oid::regclass FROM free WHERE pg_relation_size(oid) > \
         (greatest(relpages, 0) + {GROWN}) * current_setting('block_size')::bigint"
    );
    let rows = session.simple(&sql).await?.rows;
    Ok(rows.into_iter().filter_map(|mut row| row.pop()?).collect())
}
