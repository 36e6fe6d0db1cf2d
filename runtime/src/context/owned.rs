//! Work that belongs to whoever made it: a future that is entered on every poll and on drop, a closure that is entered
//! when it is called and when it is dropped.

use super::Carrier;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future that belongs to an owner wherever it is polled. From [`owned`] and [`FutureExt`](crate::FutureExt).
    ///
    /// Its output, and whether it is `Send`, are those of the future inside.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Owned<F> {
        // `None` only while it is being dropped.
        #[pin]
        future: Option<F>,
        carrier: Carrier,
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
    pub(crate) fn new(future: F, carrier: Carrier) -> Self {
        Self {
            future: Some(future),
            carrier,
        }
    }

    /// Makes it the work of an actor of this name, which starts now and ends when the future is dropped. An owner may
    /// allow the name before that: `owner.allow("pricing")`.
    ///
    /// The same as `#[owned_task(name = "..")]`. Without the `sandbox` feature it does nothing.
    pub fn named(mut self, name: &'static str) -> Self {
        self.carrier.start_actor(name);
        self
    }
}

impl<F: Future> Future for Owned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.carrier.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => {
                unreachable!("an owned future is emptied only while it is dropped: heirloom's bug")
            }
        }
    }
}

/// Makes a future belong to the current owner, wherever it is polled later.
///
/// The owner is captured now, not at the first poll, together with the current tracing span. Without the `sandbox`
/// feature it keeps the span and nothing else. For closures there is [`owned_fn`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = tokio::spawn(heirloom::owned(async { 6 * 7 })).await.unwrap();
/// assert_eq!(answer, 42);
/// # });
/// ```
pub fn owned<F: Future>(future: F) -> Owned<F> {
    Owned::new(future, Carrier::capture())
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
pub fn owned_fn<F: FnOnce() -> R, R>(closure: F) -> impl FnOnce() -> R {
    carried_fn(closure, Carrier::capture())
}

pub(crate) fn carried_fn<F: FnOnce() -> R, R>(closure: F, carrier: Carrier) -> impl FnOnce() -> R {
    let closure = OwnedFn {
        closure: Some(closure),
        carrier,
    };
    move || closure.call()
}

/// A closure that is dropped as its owner's when nobody ever calls it.
struct OwnedFn<F> {
    closure: Option<F>,
    carrier: Carrier,
}

impl<F> OwnedFn<F> {
    fn call<R>(mut self) -> R
    where
        F: FnOnce() -> R,
    {
        let closure = self.closure.take();
        let _entered = self.carrier.enter();
        match closure {
            Some(closure) => closure(),
            None => unreachable!("an owned closure is called once, by value: heirloom's bug"),
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
