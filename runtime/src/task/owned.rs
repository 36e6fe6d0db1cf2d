//! Work that belongs to whoever made it: a future that is entered on every poll and on drop, a closure that is entered
//! when it is called and when it is dropped.

use super::tracked::Tracked;
use crate::context::Carrier;
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future that belongs to an owner wherever it is polled. From [`owned`] and [`FutureExt`](crate::FutureExt).
    ///
    /// Its output, and whether it is `Send`, are those of the future inside.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Owned<F> {
        // `None` once it is done, or while it is being dropped.
        #[pin]
        future: Option<F>,
        carrier: Carrier,
        // Dropped last: until then the work is not over.
        tracked: Tracked,
    }

    impl<F> PinnedDrop for Owned<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What the future holds (a transaction, a guard) is dropped as its owner's, too.
            let _entered = this.carrier.enter();
            this.future.set(None);
        }
    }
}

impl<F> Owned<F> {
    pub(crate) fn new(future: F, carrier: Carrier, tracked: Tracked) -> Self {
        Self {
            future: Some(future),
            carrier,
            tracked,
        }
    }

    /// A future that is handed to a spawn.
    ///
    /// It may be ended by itself when its owner ends: so it must not be part of somebody else's task.
    #[track_caller]
    pub(crate) fn spawned(future: F, carrier: Carrier) -> Self {
        let tracked = Tracked::future::<F>(&carrier, Location::caller());
        Self::new(future, carrier, tracked)
    }

    /// Makes it the work of an actor of this name, which starts now and ends when the future is dropped. An owner may
    /// allow the name before that: `owner.allow("pricing")`.
    ///
    /// The same as `#[owned_task(name = "..")]`. Without the `sandbox` feature it does nothing.
    pub fn named(mut self, name: &'static str) -> Self {
        self.carrier.start_actor(name);
        self.tracked.named(name);
        self
    }
}

impl<F> Owned<F> {
    /// A future that somebody else may run for its owner, as a part of their own work: a worker that takes futures of
    /// several owners must not end with one of them.
    #[track_caller]
    pub(super) fn lent(future: F, carrier: Carrier) -> Self {
        let tracked = Tracked::lent::<F>(&carrier, Location::caller());
        Self::new(future, carrier, tracked)
    }
}

impl<F: Future> Future for Owned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = this.carrier.enter();
        // Only from its first poll on it is known what it is a part of, and so whether it can be ended.
        this.tracked.begin(this.carrier);
        if this.tracked.is_aborted() {
            this.future.set(None);
            this.tracked.abort();
        }
        let mut future = this.future.as_mut();
        let polled = this.tracked.poll(this.carrier, cx, |cx| {
            let Some(running) = future.as_mut().as_pin_mut() else {
                panic!("an owned future was polled again after it was done");
            };
            let polled = running.poll(cx);
            if polled.is_ready() {
                // The work is over when nothing of it is left.
                future.set(None);
            }
            polled
        });
        // Whom to wake at the end was not known before the first poll; the end may have come meanwhile.
        if polled.is_pending() && this.tracked.is_aborted() {
            this.future.set(None);
            this.tracked.abort();
        }
        polled
    }
}

/// Makes a future belong to the current owner, wherever it is polled later.
///
/// The owner is captured now, not at the first poll, together with the current tracing span. Without the `sandbox`
/// feature it keeps the span and nothing else. For closures there is [`owned_fn`].
///
/// It may become a part of somebody else's task, so on another runtime than the test's own it has to end by itself before
/// its test does; what annotated code spawns there is ended.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = tokio::spawn(heirloom::owned(async { 6 * 7 })).await.unwrap();
/// assert_eq!(answer, 42);
/// # });
/// ```
#[track_caller]
pub fn owned<F: Future>(future: F) -> Owned<F> {
    Owned::lent(future, Carrier::capture())
}

/// A future that belongs to whoever called the function that made it.
#[track_caller]
pub(crate) fn task<F: Future>(future: F) -> Owned<F> {
    let carrier = Carrier::capture();
    let tracked = Tracked::called::<F>(&carrier, Location::caller());
    Owned::new(future, carrier, tracked)
}

/// Makes a closure belong to the current owner, wherever it is called later: on another thread, in a blocking pool.
///
/// A function of its own beside [`owned`], because a type that can be called cannot be named on stable Rust. Without
/// the `sandbox` feature it keeps the caller's tracing span and nothing else.
///
/// ```
/// let answer = std::thread::spawn(heirloom::owned_fn(|| 6 * 7)).join().unwrap();
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
pub fn owned_fn<F: FnOnce() -> R, R>(closure: F) -> impl FnOnce() -> R {
    carried_fn(closure, Carrier::capture())
}

#[track_caller]
pub(super) fn carried_fn<F: FnOnce() -> R, R>(closure: F, carrier: Carrier) -> impl FnOnce() -> R {
    let tracked = Tracked::closure::<F>(&carrier, Location::caller());
    let closure = OwnedFn {
        closure: Some(closure),
        carrier,
        tracked: Some(tracked),
    };
    move || closure.call()
}

/// Calls a closure now, as the carrier's.
pub(super) fn call_as<R>(closure: impl FnOnce() -> R, carrier: Carrier, tracked: Tracked) -> R {
    let closure = OwnedFn {
        closure: Some(closure),
        carrier,
        tracked: Some(tracked),
    };
    closure.call()
}

/// A closure that is dropped as its owner's when nobody ever calls it.
struct OwnedFn<F> {
    closure: Option<F>,
    carrier: Carrier,
    tracked: Option<Tracked>,
}

impl<F> OwnedFn<F> {
    fn call<R>(mut self) -> R
    where
        F: FnOnce() -> R,
    {
        let work = (self.closure.take(), self.tracked.take());
        let _entered = self.carrier.enter();
        match work {
            (Some(closure), Some(tracked)) => tracked.call(&self.carrier, closure),
            _ => unreachable!("an owned closure is called once, by value: heirloom's bug"),
        }
    }
}

impl<F> Drop for OwnedFn<F> {
    fn drop(&mut self) {
        if let Some(closure) = self.closure.take() {
            let _entered = self.carrier.enter();
            drop(closure);
        }
    }
}
