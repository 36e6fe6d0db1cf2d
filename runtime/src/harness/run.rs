//! One test from start to end: owner, runtime, arguments, body, teardown, checkin, report.

use super::failure::{Failure, Outcome};
use super::runtime::{Flavor, TestRuntime};
use super::sandbox::Sandbox;
use super::subscriber;
use crate::clock::Clock;
use crate::context::{Carrier, mark_this_thread, owner_span};
use crate::error::Place;
use crate::owner::Owner;
use crate::task::{Owned, SETTLE_TIMEOUT, Tracked};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};
use std::time::Duration;
use tracing::Span;

/// One test, by hand: what `#[sandboxed]` writes.
///
/// ```
/// use heirloom::{Sandbox, Test};
///
/// Test::here("answers").run(|sandbox: Sandbox| async move {
///     assert_eq!(heirloom::current().as_ref(), Some(sandbox.owner()));
///     Ok(())
/// });
/// ```
#[derive(Debug)]
#[must_use = "a test does nothing until it is run"]
pub struct Test {
    name: String,
    pub(super) at: Place,
    manifest_dir: &'static str,
    worker_threads: Option<usize>,
    multi_thread: bool,
    /// Until it is said otherwise, time goes on.
    clock: Option<Clock>,
    pub(super) drain: Drain,
    pub(super) drain_timeout: Duration,
    should_panic: bool,
    #[cfg(feature = "_database")]
    pub(super) database: super::database::Database,
}

/// What the end of a test does about what it left running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// Waits until nothing is running, woken, or in flight, as [`Sandbox::settle`] does. What then waits for something is
    /// dropped: servers, actors, timers.
    #[default]
    Settle,
    /// Waits until every owned task has ended, except actors, as [`Sandbox::join`] does.
    Join,
    /// Waits for nothing: what runs is dropped at its next `.await`.
    Abort,
}

impl Test {
    /// A test that is written here.
    #[track_caller]
    pub fn here(name: &str) -> Self {
        Self::named(name.to_owned(), "", Location::caller().into())
    }

    /// A test, by what the compiler knows of it. For generated code.
    #[doc(hidden)]
    pub fn new(
        module: &'static str,
        name: &'static str,
        manifest_dir: &'static str,
        at: Place,
    ) -> Self {
        Self::named(case_name(module, name), manifest_dir, at)
    }

    fn named(name: String, manifest_dir: &'static str, at: Place) -> Self {
        Self {
            name,
            at,
            manifest_dir,
            worker_threads: None,
            multi_thread: false,
            clock: None,
            drain: Drain::Settle,
            drain_timeout: SETTLE_TIMEOUT,
            should_panic: false,
            #[cfg(feature = "_database")]
            database: super::database::Database::default(),
        }
    }

    /// Runs it on tokio's multi-thread runtime. Default: the current-thread runtime, as `#[tokio::test]`.
    pub fn multi_thread(mut self) -> Self {
        self.multi_thread = true;
        self
    }

    /// Sets how many workers the multi-thread runtime has. Default: one per processor, from tokio.
    pub fn worker_threads(mut self, workers: usize) -> Self {
        self.worker_threads = Some(workers);
        self
    }

    /// Starts it with time paused, as `#[tokio::test(start_paused = true)]` does: whenever nothing else is left to do, the
    /// clock moves on to what is due next.
    ///
    /// It stands still while something of the test's PostgreSQL session is under way: a statement, a connection that is
    /// opened, a statement that waits for its turn. So no time-out strikes because of the database, and a test
    /// that waits for an hour between its queries takes exactly that hour, at once. A SQLite pool and a private database
    /// (`isolation = "database"`) work elsewhere, where it is not seen: waiting for them is nothing to do, as with tokio
    /// alone, and time-outs such as the pool's may strike at once.
    ///
    /// Only on the current-thread runtime: tokio panics for another.
    pub fn start_paused(mut self) -> Self {
        self.clock = Some(Clock::default());
        self
    }

    /// Sets what the end of the test does about what it left running. Default [`Drain::Settle`].
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Sets how long the end of the test waits: for its tasks to settle, then for threads, then for connections it left
    /// behind. Default 5 s.
    pub fn drain_timeout(mut self, patience: Duration) -> Self {
        self.drain_timeout = patience;
        self
    }

    /// Says that the body is to panic, as `#[should_panic]` does: then a panic is no failure, and nothing else that goes
    /// wrong is taken for it.
    pub fn should_panic(mut self) -> Self {
        self.should_panic = true;
        self
    }

    /// Runs an async test: `body` makes the arguments and then the test's own future.
    ///
    /// # Panics
    ///
    /// With what the body panicked with; with a message when a fixture, a teardown or the end of the test failed.
    pub fn run<R, F, Fut>(self, body: F) -> Outcome
    where
        R: Termination,
        F: FnOnce(Sandbox) -> Fut,
        Fut: Future<Output = Result<R, Failure>>,
    {
        self.run_on(|runtime, sandbox, carrier| {
            let body = async { body(sandbox).await.map(Termination::report) };
            runtime.block_on(part_of_the_test(body, carrier))
        })
    }

    /// Runs a test that is not async: `fixtures` makes the arguments on the runtime, `body` then runs on the test's
    /// thread, inside the runtime's context.
    ///
    /// # Panics
    ///
    /// As [`Test::run`].
    pub fn run_blocking<A, R, F, Fut, B>(self, fixtures: F, body: B) -> Outcome
    where
        R: Termination,
        F: FnOnce(Sandbox) -> Fut,
        Fut: Future<Output = Result<A, Failure>>,
        B: FnOnce(A) -> R,
    {
        // While the body runs nobody drives the runtime from this thread: its tasks and timers need one of their own.
        let test = Self {
            multi_thread: true,
            worker_threads: Some(1),
            ..self
        };
        test.run_on(|runtime, sandbox, carrier| {
            let fixtures = async { fixtures(sandbox).await };
            let arguments = runtime.block_on(part_of_the_test(fixtures, carrier))?;
            let _runtime = runtime.enter();
            let _entered = carrier.enter();
            Ok(body(arguments).report())
        })
    }

    fn run_on(
        self,
        body: impl FnOnce(&TestRuntime, Sandbox, &Carrier) -> Result<ExitCode, Failure>,
    ) -> Outcome {
        subscriber::install();
        #[cfg(feature = "_database")]
        let _turn = match self.turn() {
            Ok(turn) => turn,
            Err(error) => return self.report(&self.name, Ok(Err(error)), &[]),
        };
        let ends = Ends(Owner::begin(self.name.clone(), self.at));
        let owner = ends.0.clone();
        #[cfg(feature = "_database")]
        self.database.set_up(&owner, self.manifest_dir);
        let span = owner_span(&owner);
        let marked = mark_this_thread(owner.clone()).in_span(&span);
        let runtime = match self.runtime(&owner, &span) {
            Ok(runtime) => runtime,
            Err(error) => {
                let failure = Failure::new("cannot start its runtime", Some(self.at), error);
                return self.report(&self.name, Ok(Err(failure)), &[]);
            }
        };
        #[cfg(feature = "_database")]
        super::database::lives_on(&owner, runtime.handle().id(), self.clock.as_ref());
        let sandbox = Sandbox::new(owner.clone(), runtime.home());
        let carrier = Carrier::with_span(&owner, span);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            body(&runtime, sandbox.clone(), &carrier)
        }));
        let passed = self.went_as_planned(&ended);
        let mut failures = self.end(runtime, &sandbox, &carrier, passed);
        let failed = !failures.is_empty() || !passed;
        failures.extend(self.checkin(&owner, failed));
        drop(ends);
        drop(marked);
        self.report(&self.name, ended, &failures)
    }

    fn went_as_planned(&self, ended: &Ended) -> bool {
        match ended {
            Err(_) => self.should_panic,
            Ok(Ok(code)) => *code == ExitCode::SUCCESS && !self.should_panic,
            Ok(Err(_)) => false,
        }
    }

    fn runtime(&self, owner: &Owner, span: &Span) -> std::io::Result<TestRuntime> {
        let flavor = if self.multi_thread {
            Flavor::MultiThread(self.worker_threads)
        } else {
            Flavor::CurrentThread
        };
        TestRuntime::build(owner, span, flavor, self.clock.clone())
    }

    /// Fails the test with what came first; all of it is printed.
    ///
    /// A test that should panic fails by returning: any panic of ours would be taken for the one it waits for.
    fn report(&self, owner: &str, ended: Ended, failures: &[Failure]) -> Outcome {
        let mut texts: Vec<String> = failures.iter().map(Failure::text).collect();
        if let Ok(Err(fixture)) = &ended {
            texts.insert(0, fixture.text());
        }
        for text in &texts {
            eprintln!("heirloom: `{owner}`: {text}");
        }
        if self.should_panic && !texts.is_empty() {
            return Outcome(ExitCode::FAILURE);
        }
        match ended {
            // The panic hook has printed the message and the place already.
            Err(panic) => resume_unwind(panic),
            Ok(Ok(code)) if texts.is_empty() => Outcome(code),
            Ok(_) => resume_unwind(Box::new(texts.join("\n"))),
        }
    }

    /// Waits until this test may run, as some run alone.
    #[cfg(feature = "_database")]
    fn turn(&self) -> Result<crate::isolation::Turn, Failure> {
        let inside_a_test = crate::context::current().is_some();
        crate::isolation::turn(self.database.shared, &self.name, inside_a_test)
            .map_err(|error| Failure::new("cannot start", Some(self.at), error))
    }

    #[cfg(feature = "_database")]
    fn checkin(&self, owner: &Owner, failed: bool) -> Vec<Failure> {
        super::database::checkin(owner, failed, self.drain_timeout)
            .into_iter()
            .map(|error| Failure::new("the end of the test", Some(self.at), error))
            .collect()
    }

    #[cfg(not(feature = "_database"))]
    fn checkin(&self, _: &Owner, _: bool) -> Vec<Failure> {
        let _ = self.manifest_dir;
        Vec::new()
    }
}

/// The test's own code: everything else is waited for by it, so nobody waits for it.
pub(super) fn part_of_the_test<F: Future>(future: F, carrier: &Carrier) -> Owned<F> {
    let tracked = carrier.owner().map(Tracked::root);
    Owned::new(future, carrier.clone(), tracked.unwrap_or_default())
}

/// Ends the owner, whatever happens to the test: if it never got as far as giving its sessions back, they are let go.
struct Ends(Owner);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.close(self.0.started_at(), None);
        #[cfg(feature = "_database")]
        super::database::abandon(&self.0);
        self.0.end();
    }
}

/// How the body ended: with an exit code, without having run because a fixture failed, or in a panic.
type Ended = std::thread::Result<Result<ExitCode, Failure>>;

/// A test's name, with the case when it is one of several: rstest makes one function of them all, but libtest runs each on
/// a thread that is named after it.
fn case_name(module: &str, name: &str) -> String {
    let within_crate = module.split_once("::").map_or("", |(_, rest)| rest);
    let path = [within_crate, name]
        .into_iter()
        .filter(|part| !part.is_empty());
    let path: Vec<&str> = path.collect();
    let thread = std::thread::current();
    let case = thread
        .name()
        .and_then(|running| running.strip_prefix(&path.join("::")))
        .filter(|case| case.starts_with("::"))
        .unwrap_or_default();
    format!("{module}::{name}{case}")
}
