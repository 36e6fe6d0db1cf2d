//! How sessions are kept apart: one file per database, over what they share.
//!
//! This room knows owners only by number and name. The repo's room opens sessions and gives them back.

mod alone;
mod calls;
mod dir;
#[cfg(feature = "postgres")]
mod postgres;
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use alone::{Turn, turn};
#[cfg(all(fuzzing, feature = "postgres"))]
pub(crate) use postgres::fuzz;
#[cfg(feature = "postgres")]
pub(crate) use postgres::libpq_variables;
pub(crate) use schema::Schema;

pub use crate::error::{Isolation, Kept};

use crate::clock::Clock;
use crate::error::{Error, Taken};
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The name of [`Repo::new`](crate::Repo::new)'s database.
pub(crate) const MAIN_REPO: &str = "default";

/// The variable of the environment that says where a repo's database is: `DATABASE_URL`, for `audit-log`
/// `AUDIT_LOG_DATABASE_URL`.
pub(crate) fn variable_of(repo: &str) -> String {
    const MAIN: &str = "DATABASE_URL";
    if repo == MAIN_REPO {
        return MAIN.to_owned();
    }
    let letter = |char: char| match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' => char.to_ascii_uppercase(),
        _ => '_',
    };
    format!("{}_{MAIN}", repo.chars().map(letter).collect::<String>())
}

/// Who a session is for.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The package's directory: two packages may have tests of one name.
    pub package: String,
    /// The repo: an owner may have several.
    pub repo: &'static str,
    /// The owner's name, `module::test`.
    pub name: String,
    /// What its clients show to be let in.
    pub token: String,
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
    /// Somebody goes on who was told that nothing is left: as [`Verdict::Discard`], and what was done is waited for to be
    /// rolled back.
    RollBack,
    /// The test failed: a private copy is kept for a look at it.
    Keep,
}

/// What became of a session.
#[derive(Debug, Default)]
pub struct Closed {
    /// Where its data is kept to look at.
    pub kept: Option<Kept>,
    /// What went wrong.
    pub errors: Vec<Error>,
    /// What to think of, if the test has failed.
    pub hints: Vec<Cow<'static, str>>,
    /// How it was taken from its owner before, if it was.
    pub taken: Option<Arc<Taken>>,
}

/// What kept somebody waiting in vain who waited for the owner itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// What is held, and by whom.
    pub what: String,
    /// The connections that hold it, a line for each that is known.
    pub holders: Vec<String>,
    /// What to do instead.
    pub help: &'static str,
}

/// How strictly a session keeps itself apart from others on the same data. In the order of the SQL standard, which lets
/// every database give more than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Sees what others have not committed.
    ReadUncommitted,
    /// Sees what others have committed so far.
    ReadCommitted,
    /// Sees rows as they were when it first looked.
    RepeatableRead,
    /// As if it were alone.
    Serializable,
}

/// What was asked for at a checkout.
#[derive(Debug)]
pub struct Wanted<DB: sqlx::Database> {
    /// The schema to start with.
    pub schema: Schema,
    /// `false`: no sandbox, commits are real.
    pub sandbox: bool,
    /// Without a sandbox: the application's own pool, if the repo was given one.
    pub given: Option<sqlx::Pool<DB>>,
    /// How it is kept apart in the sandbox. `None`: as this database does by default.
    pub isolation: Option<Isolation>,
    /// The level of its transactions. `None`: the database's default.
    pub level: Option<IsolationLevel>,
    /// Whether the runtime that asks is the owner's own: it lasts as long as the owner, and its clock goes as time does.
    pub here: bool,
    /// The clock of the owner's own runtime, if that was started paused.
    pub clock: Option<Clock>,
    /// For how long the owner may have it, if that was said: whoever has to wait for it waits no longer either.
    pub limit: Option<Duration>,
}

/// A database that can be isolated.
pub trait Isolate: sqlx::Database {
    /// An owner's session.
    type Lease: Lease<Handle = sqlx::Pool<Self>>;

    /// Opens a session for an owner: the migrated schema, nobody else's data.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it leaves nothing but a template that the next one uses.
    fn checkout(
        tenant: Tenant,
        wanted: Wanted<Self>,
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
    /// What the owner uses it through: its own pool.
    type Handle: Clone + Send + 'static;

    /// The owner's own pool.
    fn handle(&self) -> &Self::Handle;

    /// The content hash of the schema it was opened with, and where that came from.
    fn schema(&self) -> (&str, &str);

    /// Where drivers of other languages, and other processes, find the session's data. Valid as long as the session.
    fn url(&self) -> impl Future<Output = Result<String, Error>> + Send;

    /// What a person wants to know of it: how many connections are open, and how many of them are idle.
    fn connections(&self) -> (u32, usize);

    /// The database calls of this session that are under way now, a line for each that a person can read. None when
    /// nobody waits for the database; a connection that is merely held, in a transaction or listening, is not a call.
    ///
    /// Asked often. A call whose future has been polled once is there until its result is delivered: until whoever waits
    /// for it is woken.
    fn in_flight(&self) -> impl Future<Output = Vec<String>> + Send;

    /// What is held by the owner itself, if that is why somebody waited in vain and got this error. `None` unless it is
    /// known.
    fn held(&self, error: &sqlx::Error) -> Option<Held>;

    /// Takes it away from whoever uses it: nobody gets a connection any more, waiters are sent home, statements that run
    /// are cut short, and nothing is committed. Does not wait.
    fn revoke(&self);

    /// Closes every connection and removes, or keeps, the data. What could not be closed in time is kept as well.
    fn checkin(&self, verdict: Verdict, patience: Duration) -> impl Future<Output = Closed> + Send;
}

/// A pool's connections, if all that it may have are in use.
fn exhausted<DB: sqlx::Database>(pool: &sqlx::Pool<DB>, owner: &str) -> Option<Held> {
    let most = pool.options().get_max_connections();
    if pool.size() < most || pool.num_idle() > 0 {
        return None;
    }
    let what = if most == 1 {
        "the only connection of its pool is".to_owned()
    } else {
        format!("all {most} connections of its pool are")
    };
    Some(Held {
        what: format!("{what} held by test `{owner}` itself"),
        holders: Vec::new(),
        help: "commit or drop what holds a connection before awaiting a task that needs one, or hand the transaction to the task",
    })
}
