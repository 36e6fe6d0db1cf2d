//! The end of a test: what it left running settles, is ended, and is waited for; what does not end fails it.

use super::failure::Failure;
use super::run::{Drain, Test, part_of_the_test};
use super::runtime::TestRuntime;
use super::sandbox::{Hook, Sandbox};
use crate::alarm;
use crate::context::Carrier;
use crate::error::{BoxError, Busy, Error, TaskView, panic_message};
use crate::owner::Owner;
use crate::task::{Tracker, Until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const DRAINED: &str = "end it before the test returns (await it, abort it, stop its actor), give it more time with `drain_timeout`, or \
     have it dropped as it is with `drain = \"abort\"`";
const ELSEWHERE: &str = "a blocking job, a thread, or what is on another runtime is ended by its own code only: end it before the test returns, or \
     spawn a task in code with `#[owned_task]`, where it is ended; if it is not the test's, mark its spawn `#[unowned(\"why\")]`; if it is an actor that others use later, name it: \
     `#[owned_task(name = \"..\")]`";
const UNNAMED: &str = "end it before the test returns, or raise `drain_timeout`; `#[owned_task]` on the code that spawns it makes this say \
     where that is";

/// How long the end of a test that has failed already waits for what is being ended.
const SHORT: Duration = Duration::from_millis(100);

impl Test {
    /// Ends it, in this order: its tasks settle, its teardown runs, its tasks are dropped, its threads are waited for.
    pub(super) fn end(
        &self,
        runtime: TestRuntime,
        sandbox: &Sandbox,
        carrier: &Carrier,
        passed: bool,
    ) -> Vec<Failure> {
        let owner = sandbox.owner();
        let mut failures: Vec<Failure> = Vec::new();
        // A test that has failed is to say so at once.
        if passed {
            failures.extend(self.drain_now(&runtime, sandbox));
        }
        let hooks = sandbox.has_hooks();
        failures.extend(self.tear_down(&runtime, sandbox, carrier));
        if passed && hooks && failures.is_empty() {
            failures.extend(self.drain_now(&runtime, sandbox));
        }
        owner.close(self.at, None);
        failures.extend(self.stop(runtime, owner, passed, &failures));
        failures.extend(self.join_the_rest(owner, !passed || !failures.is_empty()));
        if passed {
            failures.extend(self.panics(owner));
        }
        failures.extend(too_late(sandbox));
        failures
    }

    fn drain_now(&self, runtime: &TestRuntime, sandbox: &Sandbox) -> Option<Failure> {
        let until = match self.drain {
            Drain::Settle => Until::Settled,
            Drain::Join => Until::Joined,
            Drain::Abort => return None,
        };
        let drained = sandbox.wait(until, self.drain_timeout, DRAINED, true);
        let error = runtime.block_on(drained).err()?;
        Some(self.failure(error))
    }

    /// Runs what was registered for the end, each by itself, as the owner.
    fn tear_down(
        &self,
        runtime: &TestRuntime,
        sandbox: &Sandbox,
        carrier: &Carrier,
    ) -> Vec<Failure> {
        let mut failures = Vec::new();
        while let Some(Hook { at, run }) = sandbox.next_hook() {
            let patience = self.drain_timeout;
            let ran = catch_unwind(AssertUnwindSafe(|| {
                // By the wall clock: a paused one hurries on while a hook waits for a server.
                let hook = async { alarm::within(patience, run()).await };
                runtime.block_on(part_of_the_test(hook, carrier))
            }));
            let error: BoxError = match ran {
                Ok(Some(Ok(()))) => continue,
                Ok(Some(Err(error))) => error,
                Ok(None) => format!(
                    "it was still running after {patience:?}\n\n  help: let it end, or raise `drain_timeout`"
                )
                .into(),
                Err(panic) => format!("it panicked: {}", panic_message(panic.as_ref())).into(),
            };
            failures.push(Failure::new("teardown", Some(at), error));
        }
        failures
    }

    /// Ends the test's tasks: they are dropped where they are parked, blocking ones are waited for.
    fn stop(
        &self,
        runtime: TestRuntime,
        owner: &Owner,
        passed: bool,
        told: &[Failure],
    ) -> Option<Failure> {
        let started = Instant::now();
        runtime.shut_down(self.patience(!passed));
        // A test that has failed is to say why it failed.
        if !passed || started.elapsed() < self.drain_timeout {
            return None;
        }
        let mut alive = owner.work::<Tracker>().unfinished();
        if alive.is_empty() {
            return Some(
                self.failure(Error::StillHeld {
                    owner: owner.name().to_owned(),
                    event: "ended",
                    help: UNNAMED,
                    what: "a `spawn_blocking` task, a task that never yields, or a slow `Drop`"
                        .to_owned(),
                    waited: self.drain_timeout,
                }),
            );
        }
        alive.retain(|task| !told.iter().any(|failure| failure.names(task)));
        (!alive.is_empty()).then(|| self.not_ended(owner, alive))
    }

    /// Ends what lives on other runtimes, and waits for it and for threads. A thread ends by itself only.
    fn join_the_rest(&self, owner: &Owner, has_failed: bool) -> Option<Failure> {
        let tracker: &Tracker = owner.work();
        tracker.abort_all();
        // What did not settle has been told, and waited for.
        let patience = self.patience(has_failed);
        if tracker.wait_until_finished(Instant::now() + patience) || has_failed {
            return None;
        }
        Some(self.not_ended(owner, tracker.unfinished()))
    }

    fn patience(&self, has_failed: bool) -> Duration {
        if has_failed {
            self.drain_timeout.min(SHORT)
        } else {
            self.drain_timeout
        }
    }

    fn not_ended(&self, owner: &Owner, tasks: Vec<TaskView>) -> Failure {
        let busy = Busy {
            tasks,
            ..Busy::default()
        };
        self.failure(Error::NotSettled {
            owner: owner.name().to_owned(),
            joined: true,
            waited: self.drain_timeout,
            busy: Box::new(busy),
            help: ELSEWHERE,
        })
    }

    fn panics(&self, owner: &Owner) -> Option<Failure> {
        let panics = owner.work::<Tracker>().take_panics();
        (!panics.is_empty()).then(|| {
            self.failure(Error::TaskPanicked {
                owner: owner.name().to_owned(),
                panics,
            })
        })
    }

    fn failure(&self, error: Error) -> Failure {
        Failure::new("the end of the test", Some(self.at), error)
    }
}

/// A hook that was registered while the test's tasks were dropped has no runtime to run on any more.
fn too_late(sandbox: &Sandbox) -> Vec<Failure> {
    let mut failures = Vec::new();
    while let Some(hook) = sandbox.next_hook() {
        let error = "registered after the teardown, while the test's tasks were being dropped";
        failures.push(Failure::new("teardown", Some(hook.at), error));
    }
    failures
}
