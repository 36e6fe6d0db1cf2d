//! A test's own runtime, which tells when it has nothing to do.

use crate::clock::Clock;
use crate::context::{mark_thread, unmark_thread};
use crate::owner::Owner;
use crate::task::Rest;
use std::ops::Deref;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tracing::Span;

/// The runtime.
#[derive(Debug)]
pub(super) struct TestRuntime {
    runtime: Runtime,
    rest: Rest,
    clock: Option<Clock>,
}

/// Where a test's tasks live.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) handle: Handle,
    pub(super) rest: Rest,
    pub(super) clock: Option<Clock>,
}

/// How many threads drive a runtime: tokio's own number, or none but the test's thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flavor {
    CurrentThread,
    MultiThread(Option<usize>),
}

impl TestRuntime {
    /// Builds it on the test's thread, which is to drive it if no other does.
    pub(super) fn build(
        owner: &Owner,
        span: &Span,
        flavor: Flavor,
        clock: Option<Clock>,
    ) -> std::io::Result<Self> {
        let rest = Rest::default();
        // The test's own thread: it drives the runtime if no other does, and a `LocalSet` in any case.
        rest.is_driven_here();
        let mut builder = match flavor {
            Flavor::CurrentThread => Builder::new_current_thread(),
            Flavor::MultiThread(_) => Builder::new_multi_thread(),
        };
        if let Flavor::MultiThread(Some(workers)) = flavor {
            builder.worker_threads(workers);
        }
        if clock.is_some() {
            builder.start_paused(true);
        }
        let runtime = hooks(&mut builder, owner, span, &rest, clock.clone())
            .enable_all()
            .build()?;
        rest.set_workers(runtime.metrics().num_workers());
        if let Some(clock) = &clock {
            clock.set_home(runtime.handle().clone());
        }
        Ok(Self {
            runtime,
            rest,
            clock,
        })
    }

    pub(super) fn home(&self) -> Home {
        Home {
            handle: self.runtime.handle().clone(),
            rest: self.rest.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Drops its tasks where they wait, and waits for its blocking jobs.
    pub(super) fn shut_down(self, patience: Duration) {
        if let Some(clock) = &self.clock {
            clock.end();
        }
        self.runtime.shutdown_timeout(patience);
    }
}

fn hooks<'a>(
    builder: &'a mut Builder,
    owner: &Owner,
    span: &Span,
    rest: &Rest,
    clock: Option<Clock>,
) -> &'a mut Builder {
    let (heir, span, starts) = (owner.clone(), span.clone(), rest.clone());
    let (stops, parks, goes_on) = (rest.clone(), rest.clone(), rest.clone());
    let (comes, name) = (rest.clone(), owner.name().to_owned());
    builder
        // Asked by whoever starts a thread, before it is there: nothing else tells of one that has yet to begin.
        .thread_name_fn(move || {
            comes.thread_comes();
            name.clone()
        })
        .on_thread_start(move || {
            mark_thread(heir.clone(), &span);
            starts.thread_starts();
        })
        .on_thread_stop(move || {
            stops.thread_stops();
            unmark_thread();
        })
        .on_thread_park(move || {
            if let Some(clock) = &clock {
                clock.before_rest();
            }
            parks.parks();
        })
        .on_thread_unpark(move || goes_on.goes_on())
}

impl Deref for TestRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}
