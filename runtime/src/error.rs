//! The one error type. Every variant holds facts and says what to do; causes are `source()`s, not repeated in the text.

use std::fmt;

#[cfg(feature = "sandbox")]
mod facts;
#[cfg(feature = "sandbox")]
mod inspection;
#[cfg(feature = "sandbox")]
mod place;
#[cfg(all(feature = "sandbox", feature = "_database"))]
mod session;
#[cfg(feature = "sandbox")]
mod task;
#[cfg(feature = "sandbox")]
mod text;
#[cfg(feature = "sandbox")]
pub use facts::{Asker, Ended, Refusal, Subject, Taken, Trail, Why};
#[cfg(feature = "sandbox")]
pub use inspection::{Inspection, OwnerView, PausedView, RepoView, SessionView};
#[cfg(feature = "sandbox")]
pub use place::Place;
#[cfg(all(feature = "sandbox", feature = "_database"))]
pub use session::{Isolation, Kept};
#[cfg(feature = "sandbox")]
pub(crate) use task::panic_message;
#[cfg(feature = "sandbox")]
pub use task::{Busy, Panicked, RequestView, TaskKind, TaskState, TaskView};

#[cfg(feature = "sandbox")]
use text::{all_of, at_file, files_help, held_by, jobs, lines};
#[cfg(all(feature = "sandbox", feature = "_database"))]
use text::{kept_at, lines_of};

/// What can go wrong between a test and its database.
///
/// Through `sqlx` it arrives as [`sqlx::Error::Configuration`]; [`Error::from_sqlx`] finds it again.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The repo has no pool yet.
    #[cfg(feature = "_database")]
    #[error(
        "repo `{repo}` is not connected\n\n  help: call `Repo::connect(url)` or `Repo::init(pool)` once, when the application starts"
    )]
    NotConnected {
        /// The repo's name.
        repo: &'static str,
    },

    /// `Repo::connect` or `Repo::init` was called a second time; the first pool stays.
    #[cfg(feature = "_database")]
    #[error(
        "repo `{repo}` is connected already\n\n  help: call `connect` or `init` once per process"
    )]
    AlreadyConnected {
        /// The repo's name.
        repo: &'static str,
    },

    /// Sessions cannot be handed out over HTTP here.
    #[cfg(feature = "axum")]
    #[error("there is no `sandbox_routes({path:?})`, asked for at {at}: {why}\n\n  help: {help}")]
    NoSandboxRoutes {
        /// Where they were to be found.
        path: String,
        /// Where that is written.
        at: &'static std::panic::Location<'static>,
        /// Why not.
        why: String,
        /// What to do.
        help: &'static str,
    },

    /// Nobody owns the code that used the repo.
    #[cfg(feature = "sandbox")]
    #[error("nobody owns this use of {subject}\n\n{trail}")]
    Ownership {
        /// What was used: a repo, or the look-up itself.
        subject: Subject,
        /// Where an owner was looked for.
        trail: Box<Trail>,
    },

    /// The owner was found, but its test is over.
    #[cfg(feature = "sandbox")]
    #[error(
        "{subject} was used by something that outlived its {}\n\n{ended}\n\n  help: {}",
        ended.what(),
        ended.help(*subject)
    )]
    OwnerEnded {
        /// What was used: a repo, or the look-up itself.
        subject: Subject,
        /// Which test it was, when and where it started and ended.
        ended: Box<Ended>,
    },

    /// A token names no owner of this process.
    #[cfg(feature = "sandbox")]
    #[error(
        "no owner of this process has this token\n  {asker}\n\n  help: a token is good in the process that made it, while its test or session runs: take it from the running one, `owner.token()`"
    )]
    UnknownToken {
        /// Who asked.
        asker: Box<Asker>,
    },

    /// What was to be read as an [`OwnerContext`](crate::OwnerContext) is none. The text does not say what it was: it may be
    /// most of a token.
    #[cfg(feature = "sandbox")]
    #[error(
        "this is not an owner's context: that is 32 hexadecimal digits, or nothing\n\n  help: hand on what `OwnerContext` was written as, unchanged"
    )]
    NotAContext,

    /// The owner is running, but its session on the repo was given back or taken away.
    #[cfg(feature = "sandbox")]
    #[error("the session on repo `{repo}` is gone\n\n{taken}\n  {asker}\n\n  help: {}", taken.help())]
    SessionEnded {
        /// The repo's name.
        repo: &'static str,
        /// Which test's it was, why it is gone, who did that, and who was using it.
        taken: std::sync::Arc<Taken>,
        /// Who asked.
        asker: Box<Asker>,
        /// What the database said to whoever was using it.
        #[source]
        source: Option<BoxError>,
    },

    /// An owner did not get a session on one of its repos; what it had on others is given back.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` has no session on repo `{repo}`, so it was not started at {place}, on none of its repos\n\n  help: see the cause; nothing of it is left, so it can be tried again"
    )]
    NotStarted {
        /// The owner's name.
        owner: String,
        /// Where it was to be started.
        place: Place,
        /// The repo's name.
        repo: &'static str,
        /// Why not.
        #[source]
        source: BoxError,
    },

    /// An owner has ended, but not all of what it had could be given back.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` has ended, but not everything of it could be given back\n{}",
        all_of(errors)
    )]
    NotStopped {
        /// The owner's name.
        owner: String,
        /// What went wrong, one for each repo.
        errors: Vec<Error>,
    },

    /// A test that has to run alone was run inside another one.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` is to run alone, but it was started inside a running test\n\n  help: run it by itself, or leave out `shared`"
    )]
    NotAlone {
        /// The test.
        owner: String,
    },

    /// A task or an actor was not allowed to use an owner's sessions.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` cannot allow {target}: {refusal}\n\n  asked at {place}\n\n  help: {}",
        refusal.help()
    )]
    NotAllowed {
        /// The owner's name.
        owner: String,
        /// The task or actor.
        target: String,
        /// Why not.
        refusal: Refusal,
        /// Where it was asked for.
        place: Place,
    },

    /// A repo's session was opened with one set of migrations and is now asked for with another.
    #[cfg(feature = "sandbox")]
    #[error(
        "repo `{repo}` is open in `{owner}` with the migrations of {open}, but is now used with those of {asked}\n\n  help: name one of them on the test, `#[sandboxed(migrator = path)]`, or give the repos different names"
    )]
    MigrationsDiffer {
        /// The repo's name.
        repo: &'static str,
        /// The test.
        owner: String,
        /// Where the open session's migrations came from.
        open: String,
        /// Where the ones asked for come from.
        asked: String,
    },

    /// The database cannot keep sessions apart in the way that was asked for.
    #[cfg(all(feature = "sandbox", feature = "_database"))]
    #[error(
        "`{owner}` asks for isolation `{asked}` on repo `{repo}`, which {database} does not have\n\n  help: {help}"
    )]
    NoIsolation {
        /// The test.
        owner: String,
        /// The repo's name.
        repo: &'static str,
        /// The kind of database.
        database: &'static str,
        /// What was asked for.
        asked: Isolation,
        /// What to write instead.
        help: &'static str,
    },

    /// Every session that there may be with the server is taken, and none was given back in time.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` waited {waited:?} for a session with PostgreSQL, of which this process may have {most}{}\n\n  help: run fewer tests at once (`--test-threads`), or raise the server's max_connections, or HEIRLOOM_MAX_CONNECTIONS if that is set; a test holds one session for each repo it uses",
        held_by(holders)
    )]
    NoFreeSession {
        /// The test.
        owner: String,
        /// For how long.
        waited: std::time::Duration,
        /// How many there may be.
        most: usize,
        /// Who holds them, and for how long.
        holders: Vec<String>,
    },

    /// Nothing says where a repo's database is.
    #[cfg(feature = "sandbox")]
    #[error(
        "`{owner}` uses repo `{repo}`, and nothing says where its database is: `{variable}` is not set\n\n  help: set it, in the environment or in a file `.env` beside the package's Cargo.toml: `{variable}=postgres://user:password@localhost/app`"
    )]
    NoDatabaseUrl {
        /// The test.
        owner: String,
        /// The repo's name.
        repo: &'static str,
        /// The variable that says where it is.
        variable: String,
    },

    /// What is said of where a repo's database is cannot be read. The text never holds the URL, which may hold a password.
    #[cfg(feature = "sandbox")]
    #[error("`{variable}` is of no use")]
    DatabaseUrl {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },

    /// The migrations could not be read.
    #[cfg(feature = "sandbox")]
    #[error("the migrations in {from} cannot be read\n\n  help: {help}")]
    Migrations {
        /// The directory or the migrator.
        from: String,
        /// What to write instead.
        help: String,
        /// Why not.
        #[source]
        source: BoxError,
    },

    /// One migration failed, so there is no template; nothing half-made is kept.
    #[cfg(feature = "sandbox")]
    #[error("migration {version} ({description}) failed{}", at_file(file.as_deref()))]
    Migration {
        /// Its version, the number its file name starts with.
        version: i64,
        /// Its description, from the file name.
        description: String,
        /// Its file, when the migrations were read from a directory.
        file: Option<std::path::PathBuf>,
        /// The database's own error.
        #[source]
        source: BoxError,
    },

    /// A file or directory that heirloom keeps for itself could not be used.
    #[cfg(feature = "sandbox")]
    #[error(
        "cannot {doing} {}\n\n  help: {}",
        path.display(),
        files_help(source)
    )]
    Files {
        /// What was being done: `create`, `lock`, `write`, …
        doing: &'static str,
        /// To which file.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },

    /// A fixture named on the attribute failed.
    #[cfg(all(feature = "sandbox", feature = "_database"))]
    #[error("fixture `{name}` of `{owner}` failed{}", kept_at(kept.as_ref()))]
    Fixture {
        /// The fixture, as written on the attribute.
        name: &'static str,
        /// The test.
        owner: String,
        /// Where the database is kept as it was then.
        kept: Option<Kept>,
        /// The database's own error.
        #[source]
        source: BoxError,
    },

    /// Something outside the test still held its database when the test ended.
    #[cfg(feature = "sandbox")]
    #[error("`{owner}` {event}, but {what} was still there after {waited:?}\n\n  help: {help}")]
    StillHeld {
        /// The test.
        owner: String,
        /// What it did: it ended, gave its session back, …
        event: &'static str,
        /// What to do instead.
        help: &'static str,
        /// What was still there.
        what: String,
        /// How long the end of the test waited.
        waited: std::time::Duration,
    },

    /// What belongs to a test did not come to rest in time, or did not end.
    #[cfg(feature = "sandbox")]
    #[error("`{owner}` had not {} after {waited:?}{busy}\n\n  help: {help}", if *joined { "ended all its tasks" } else { "settled" })]
    NotSettled {
        /// The test.
        owner: String,
        /// Whether its tasks were to end; otherwise they were only to wait for something.
        joined: bool,
        /// How long was waited.
        waited: std::time::Duration,
        /// What was still busy, and where it comes from.
        busy: Box<Busy>,
        /// What to do.
        help: &'static str,
    },

    /// Tasks of a test panicked, and nobody looked at it.
    #[cfg(feature = "sandbox")]
    #[error(
        "{}`{owner}` panicked\n{}\n\n  help: see the panic's own message above; where it is what the test is about, take it: `sandbox.take_panics()`",
        if panics.len() == 1 { "a task of " } else { "tasks of " },
        lines(panics)
    )]
    TaskPanicked {
        /// The test.
        owner: String,
        /// Which tasks, and with what.
        panics: Vec<Panicked>,
    },

    /// A condition did not come to hold in time.
    #[cfg(feature = "sandbox")]
    #[error("the condition at {place} did not hold within {waited:?}, in {attempts} attempts")]
    NeverHeld {
        /// Where it was waited for.
        place: Place,
        /// How often it was tried.
        attempts: u32,
        /// How long, in tokio's time.
        waited: std::time::Duration,
        /// Why the last attempt failed.
        #[source]
        source: BoxError,
    },

    /// A job failed while its queue was drained.
    #[cfg(feature = "sandbox")]
    #[error(
        "job {number} of the queue that {place} drains has failed{}\n\n  help: a test that is about failing jobs goes on with `drain_queue(..).keep_going()`",
        jobs("after", before)
    )]
    JobFailed {
        /// Which one: the first that was run is 1.
        number: usize,
        /// Where the queue was drained.
        place: Place,
        /// The last jobs before it, the last one last.
        before: Vec<String>,
        /// The job's own error.
        #[source]
        source: BoxError,
    },

    /// There were more jobs in a queue than it was drained of.
    #[cfg(feature = "sandbox")]
    #[error(
        "the queue that {place} drains is not empty after more than {limit} jobs{}\n\n  help: a job that enqueues itself, or fails and is retried at once, never comes to an end; for more jobs than these there is `drain_queue(..).limit(n)`",
        jobs("the last ones", last)
    )]
    QueueNeverEmpty {
        /// How many jobs it might have had.
        limit: usize,
        /// Where it was drained.
        place: Place,
        /// The last jobs that were run, the last one last.
        last: Vec<String>,
    },

    /// A test's connections, which share one session, did something that on a server would have ended otherwise.
    #[cfg(all(feature = "sandbox", feature = "_database"))]
    #[error(
        "in `{owner}`, on repo `{repo}`, the one session of its connections could not do as a server does:\n  {what}\n\n  help: a test that needs this takes a database of its own: `isolation = \"database\"`"
    )]
    Diverged {
        /// The test.
        owner: String,
        /// The repo.
        repo: &'static str,
        /// What happened.
        what: String,
    },

    /// Somebody waited in vain for what the same test held.
    #[cfg(all(feature = "sandbox", feature = "_database"))]
    #[error(
        "waited in vain for repo `{repo}`: {what}{}\n  {asker}\n\n  help: {help}",
        lines_of(holders)
    )]
    HeldByItself {
        /// The repo.
        repo: &'static str,
        /// What is held, and by which test.
        what: String,
        /// The connections that hold it, and for how long, as far as they are known.
        holders: Vec<String>,
        /// Who waited.
        asker: Box<Asker>,
        /// What to do instead.
        help: &'static str,
        /// What the pool or the database said.
        #[source]
        source: BoxError,
    },

    /// The database refused something that heirloom itself asked of it.
    #[cfg(feature = "sandbox")]
    #[error("the database refused to {doing} for {whom}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// For which test or template.
        whom: String,
        /// The database's own error.
        #[source]
        source: BoxError,
    },
}

/// Any error a caller may bring along.
#[cfg(feature = "sandbox")]
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The same text as `Display`, and its causes: `unwrap()` and `Error: …` of a failed test print this, and they are
/// where people meet it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_causes(self))
    }
}

/// An error's text and those of its causes. Errors that repeat their cause's text, as sqlx's do, say it once.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.ends_with(&line) {
            text.push_str("\n  caused by: ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

impl Error {
    /// Something outlived its test. Where a session ends without its test, whoever ended it puts that in.
    #[cfg(all(feature = "sandbox", feature = "_database"))]
    pub(crate) fn still_held(owner: &str, what: String, waited: std::time::Duration) -> Self {
        Self::StillHeld {
            owner: owner.to_owned(),
            event: "ended",
            help: "end it before the test returns, or raise `drain_timeout`",
            what,
            waited,
        }
    }

    /// Finds the `heirloom` error inside a `sqlx` error, if it is one.
    #[cfg(feature = "_database")]
    #[must_use]
    pub fn from_sqlx(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(inner) => inner.downcast_ref(),
            _ => None,
        }
    }
}

/// `sqlx`'s traits return `sqlx::Error`, so ours travels inside one.
#[cfg(feature = "_database")]
impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        Self::Configuration(Box::new(error))
    }
}
