//! Jobs of apalis, each run as the owner of whoever pushed it: with one worker for all tests, every job sees the data of
//! its own test.
//!
//! ```
//! use apalis_core::backend::TaskSink as _;
//! use apalis_core::backend::memory::MemoryStorage;
//! use apalis_core::task::builder::TaskBuilder;
//! use apalis_core::worker::builder::WorkerBuilder;
//! use apalis_core::worker::context::WorkerContext;
//! use heirloom::OwnerContext;
//! use heirloom::apalis::OwnedJobLayer;
//!
//! async fn welcome(guest: u32, worker: WorkerContext) {
//!     println!("Welcome, guest {guest}!"); // on whatever `REPO` is for whoever pushed it
//!     worker.stop().expect("it runs");
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let mut storage = MemoryStorage::new();
//! let job = TaskBuilder::new(1).metadata(&OwnerContext::capture());
//! storage.push_task(job.build()).await?;
//!
//! let worker = WorkerBuilder::new("letters").backend(storage);
//! worker.layer(OwnedJobLayer::new()).build(welcome).run().await?;
//! # Ok::<_, apalis_core::error::BoxDynError>(()) }).unwrap();
//! ```

use crate::error::Error;
use crate::task::{Owned, OwnerContext};
use apalis_core::error::{AbortError, BoxDynError};
use apalis_core::task::Task;
use apalis_core::task::metadata::{Metadata, MetadataStore};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// What the owner is called among a task's metadata.
const KEY: &str = "heirloom-owner";

/// Written into a task when it is pushed: `TaskBuilder::metadata(&OwnerContext::capture())`, or `Task::inject_metadata`. In
/// production, and where nobody owns anything, nothing is written.
impl Metadata for OwnerContext {
    type Error = Error;

    fn extract(store: &MetadataStore) -> Result<Self, Error> {
        store
            .get(KEY)
            .map_or_else(|| Ok(Self::default()), str::parse)
    }

    fn inject(&self, store: &mut MetadataStore) -> Result<(), Error> {
        let owner = self.to_string();
        if !owner.is_empty() {
            store.replace(KEY, owner);
        }
        Ok(())
    }
}

/// Runs each job of a worker as the owner that its metadata names, see [`OwnerContext`]; one without, as whoever runs the
/// worker.
///
/// Add it after the other layers of the worker: what is added first is outermost, and is not the owner's. That goes for
/// `parallelize(tokio::spawn)` above all, which hands what is inside of it to a task that nobody owns.
///
/// A job whose owner has ended is not run: it fails with [`Error::OwnerEnded`], which names the test, inside apalis's
/// `AbortError`, so that it is not tried again. Without the `sandbox` feature it keeps the tracing span, and refuses nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OwnedJobLayer {}

impl OwnedJobLayer {
    /// The layer, for `WorkerBuilder::layer`.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl<S> Layer<S> for OwnedJobLayer {
    type Service = OwnedJob<S>;

    fn layer(&self, inner: S) -> OwnedJob<S> {
        OwnedJob { inner }
    }
}

/// A worker's service whose jobs run as their owners': what [`OwnedJobLayer`] makes of it.
#[derive(Clone, Debug)]
pub struct OwnedJob<S> {
    inner: S,
}

impl<S, Args> Service<Task<Args>> for OwnedJob<S>
where
    S: Service<Task<Args>>,
    S::Error: Into<BoxDynError>,
{
    type Response = S::Response;
    type Error = BoxDynError;
    type Future = OwnedJobFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Args>) -> OwnedJobFuture<S::Future> {
        let job = match restored(&mut self.inner, task).map_err(AbortError::new) {
            Ok(job) => Job::Runs { job },
            Err(error) => Job::Refused { error: Some(error) },
        };
        OwnedJobFuture { job }
    }
}

/// The job, made and run as its owner's.
fn restored<S, Args>(service: &mut S, task: Task<Args>) -> Result<Owned<S::Future>, Error>
where
    S: Service<Task<Args>>,
{
    let owner = OwnerContext::extract(task.metadata())?;
    let job = owner.restore_fn(|| service.call(task))?();
    owner.restore(job)
}

pin_project! {
    /// A job that runs as its owner's: the future of [`OwnedJob`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OwnedJobFuture<F> {
        #[pin]
        job: Job<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Job<F> {
        Runs {
            #[pin]
            job: Owned<F>,
        },
        Refused {
            // `None` once it was told.
            error: Option<AbortError>,
        },
    }
}

impl<F, T, E> Future for OwnedJobFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxDynError>,
{
    type Output = Result<T, BoxDynError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().job.project() {
            Projected::Runs { job } => job.poll(cx).map_err(Into::into),
            Projected::Refused { error } => {
                let error = error.take().expect("it is not polled again after its end");
                Poll::Ready(Err(error.into()))
            }
        }
    }
}
