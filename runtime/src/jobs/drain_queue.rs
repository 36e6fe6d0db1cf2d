//! A queue of jobs, run empty inside a test.

use crate::error::{BoxError, Error, Place, with_causes};
use pin_project_lite::pin_project;
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many jobs are run at most, unless the caller says so: ours, and more than a test enqueues.
const LIMIT: usize = 1000;

/// How many of the last jobs an error shows: enough to see which ones enqueue each other.
const SHOWN: usize = 5;

/// Runs the jobs of a queue here and now, one after the other, until there is none left: those that jobs enqueue as well.
///
/// `next` takes the next job and runs it; `Ok(None)` says that there is none. The jobs run in the task that awaits this, so
/// they are its owner's, nothing of them is left when it returns, and a panic of theirs is the test's own.
///
/// The first job that fails ends it, with an error that holds the job's. A test that is about failing jobs goes on with
/// [`keep_going`](DrainQueue::keep_going), and finds them in [`Drained::failed`].
///
/// ```
/// # use heirloom::{BoxError, Sandbox, Test};
/// use heirloom::drain_queue;
/// use std::collections::VecDeque;
/// use std::sync::Mutex;
///
/// /// An application's queue, which is a table.
/// struct Queue(Mutex<VecDeque<&'static str>>);
///
/// impl Queue {
///     async fn run_next(&self) -> Result<Option<&'static str>, BoxError> {
///         let job = self.0.lock().unwrap().pop_front();
///         if job == Some("welcome ada") {
///             self.0.lock().unwrap().push_back("tell the landlord");
///         }
///         Ok(job)
///     }
/// }
///
/// # Test::here("example").run(|_: Sandbox| async move {
/// let queue = Queue(Mutex::new(VecDeque::from(["welcome ada"])));
/// let drained = drain_queue(|| queue.run_next()).await?;
/// assert_eq!(drained.jobs, ["welcome ada", "tell the landlord"]);
/// # Ok(()) });
/// ```
///
/// # Errors
///
/// [`Error::JobFailed`], with the first error of a job; [`Error::QueueNeverEmpty`] after more than [`limit`](DrainQueue::limit)
/// jobs.
///
/// # Cancel safety
///
/// Dropped, it drops the job that is running.
#[track_caller]
pub fn drain_queue<F, Fut, T, E>(next: F) -> DrainQueue<F, Fut, T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>, E>>,
    T: Debug,
    E: Into<BoxError>,
{
    DrainQueue {
        next,
        running: None,
        drained: Drained::default(),
        last: VecDeque::new(),
        limit: LIMIT,
        keeps_going: false,
        place: Location::caller().into(),
    }
}

pin_project! {
    /// Runs the jobs of a queue until there is none left: the future of [`drain_queue`].
    #[must_use = "it runs nothing unless it is awaited"]
    pub struct DrainQueue<F, Fut, T> {
        next: F,
        #[pin]
        running: Option<Fut>,
        drained: Drained<T>,
        // As text: the jobs themselves are the caller's.
        last: VecDeque<String>,
        limit: usize,
        keeps_going: bool,
        place: Place,
    }
}

/// What came of a queue.
#[derive(Debug)]
#[non_exhaustive]
pub struct Drained<T> {
    /// What `next` has given for each job that was run, in their order.
    pub jobs: Vec<T>,
    /// The jobs that failed. Empty, unless failures were asked for by [`DrainQueue::keep_going`].
    pub failed: Vec<FailedJob>,
}

/// A job that failed while its queue was drained.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedJob {
    /// Which one it was: the first that was run is 1.
    pub number: usize,
    /// Its error.
    pub error: BoxError,
}

impl<F, Fut, T> DrainQueue<F, Fut, T> {
    /// Sets how many jobs the queue may have, failed ones included. One more is an error: a job that enqueues itself would
    /// run for ever. Default: 1,000.
    pub fn limit(mut self, jobs: usize) -> Self {
        self.limit = jobs;
        self
    }

    /// Goes on after a job that failed, as a worker does.
    pub fn keep_going(mut self) -> Self {
        self.keeps_going = true;
        self
    }
}

impl<F, Fut, T, E> Future for DrainQueue<F, Fut, T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>, E>>,
    T: Debug,
    E: Into<BoxError>,
{
    type Output = Result<Drained<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            if this.running.is_none() {
                let next = (this.next)();
                this.running.set(Some(next));
            }
            let Some(running) = this.running.as_mut().as_pin_mut() else {
                unreachable!("it has just been set: heirloom's bug");
            };
            let ran = ready!(running.poll(cx));
            this.running.set(None);
            let number = this.drained.len() + 1;
            match ran {
                Ok(None) => return Poll::Ready(Ok(std::mem::take(this.drained))),
                Ok(Some(job)) => {
                    remember(this.last, format!("{job:?}"));
                    this.drained.jobs.push(job);
                }
                Err(error) if *this.keeps_going => {
                    let error = error.into();
                    remember(this.last, format!("failed: {}", with_causes(&*error)));
                    this.drained.failed.push(FailedJob { number, error });
                }
                Err(error) => {
                    return Poll::Ready(Err(Error::JobFailed {
                        number,
                        place: *this.place,
                        before: this.last.drain(..).collect(),
                        source: error.into(),
                    }));
                }
            }
            if number > *this.limit {
                return Poll::Ready(Err(Error::QueueNeverEmpty {
                    limit: *this.limit,
                    place: *this.place,
                    last: this.last.drain(..).collect(),
                }));
            }
        }
    }
}

fn remember(last: &mut VecDeque<String>, job: String) {
    if last.len() == SHOWN {
        last.pop_front();
    }
    last.push_back(job);
}

impl<T> Drained<T> {
    fn len(&self) -> usize {
        self.jobs.len() + self.failed.len()
    }
}

impl<T> Default for Drained<T> {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            failed: Vec::new(),
        }
    }
}

impl fmt::Display for FailedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}: {}", self.number, with_causes(&*self.error))
    }
}

impl<F, Fut, T> Debug for DrainQueue<F, Fut, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainQueue")
            .field("place", &format_args!("{}", self.place))
            .field("run", &self.drained.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
