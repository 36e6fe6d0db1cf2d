//! How sessions are kept apart: one file per database, over what they share.
//!
//! This room knows owners only by number and name. The repo's room opens sessions and gives them back.

mod dir;
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use schema::Schema;

use crate::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// Who a session is for.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The package's directory: two packages may have tests of one name.
    pub package: String,
    /// The repo: an owner may have several.
    pub repo: &'static str,
    /// The owner's name, `module::test`.
    pub name: String,
}

/// A fixture of the test, run inside its session.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// As written on the attribute.
    pub name: &'static str,
    /// SQL, one or several statements.
    pub sql: &'static str,
}

/// What happens to the session's data at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The test passed: nothing is kept.
    Discard,
    /// The test failed: a private copy is kept for a look at it.
    Keep,
}

/// What became of a session.
#[derive(Debug, Default)]
pub struct Checkin {
    /// Where its data is kept to look at.
    pub kept: Option<PathBuf>,
    /// What went wrong.
    pub errors: Vec<Error>,
}

/// A database that can be isolated.
pub trait Isolate: sqlx::Database {
    /// An owner's session.
    type Lease: Lease<Database = Self>;

    /// Opens a session for an owner: the migrated schema, nobody else's data.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it leaves nothing but a template that the next one uses.
    fn checkout(
        tenant: Tenant,
        schema: &Schema,
    ) -> impl Future<Output = Result<Self::Lease, Error>> + Send;

    /// The content hash of a schema, as [`Lease::schema`] tells it.
    fn schema_hash(schema: &Schema) -> impl Future<Output = Result<String, Error>> + Send;

    /// Runs one fixture inside the session.
    fn run_fixture(
        pool: &sqlx::Pool<Self>,
        fixture: Fixture,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// An owner's session on one database. Dropped without a checkin it discards its data.
pub trait Lease: Send + Sync + 'static {
    /// Of which database.
    type Database: sqlx::Database;

    /// The owner's own pool.
    fn pool(&self) -> &sqlx::Pool<Self::Database>;

    /// The content hash of the schema it was opened with, and where that came from.
    fn schema(&self) -> (&str, &str);

    /// Closes every connection and removes, or keeps, the data. What could not be closed in time is kept as well.
    fn checkin(&self, verdict: Verdict, patience: Duration)
    -> impl Future<Output = Checkin> + Send;
}
