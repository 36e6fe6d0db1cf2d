//! Conditions that only time can bring.

use crate::error::{BoxError, Error, panic_message};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long [`eventually`] waits. As long as [`Sandbox::settle`](crate::Sandbox::settle).
const LIMIT: Duration = Duration::from_secs(5);

/// Between two attempts: short at first, then longer.
const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// Tries until a condition holds, for at most 5 s: for what comes from outside of the test and what nobody can wait for,
/// such as another program's answer. What the test itself started is waited for by
/// [`Sandbox::settle`](crate::Sandbox::settle), without trying.
///
/// Gives what the condition gave when it held. The time is tokio's: where it is paused, trying takes none.
///
/// ```
/// # use heirloom::{Sandbox, Test, eventually};
/// # Test::here("example").run(|_: Sandbox| async move {
/// # let path = std::env::temp_dir();
/// eventually(|| async { path.exists() }).await?;
/// let size = eventually(|| async { std::fs::metadata(&path).map(|file| file.len()) }).await?;
/// # drop(size);
/// # Ok(()) });
/// ```
///
/// # Errors
///
/// [`Error::NeverHeld`], with how the last attempt failed.
///
/// # Panics
///
/// Not by itself: a panic in the condition is an attempt that failed, so that it may consist of `assert!`s. Each prints its
/// message, though, so returning a `bool`, an `Option` or a `Result` is quieter.
///
/// # Cancel safety
///
/// Dropped, it drops the attempt that is under way.
#[track_caller]
pub fn eventually<F, Fut>(
    condition: F,
) -> impl Future<Output = Result<<Fut::Output as Condition>::Value, Error>> + use<F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Condition>,
{
    attempts(LIMIT, condition, Location::caller())
}

/// The same as [`eventually`], for another time.
///
/// # Errors
///
/// As [`eventually`].
#[track_caller]
pub fn eventually_within<F, Fut>(
    limit: Duration,
    condition: F,
) -> impl Future<Output = Result<<Fut::Output as Condition>::Value, Error>> + use<F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Condition>,
{
    attempts(limit, condition, Location::caller())
}

/// What an attempt of [`eventually`] may end with: a `bool`, an `Option`, a `Result`, or nothing, when it panics otherwise.
pub trait Condition {
    /// What comes out when it held.
    type Value;

    /// Whether it held; why not.
    ///
    /// # Errors
    ///
    /// Why it did not hold.
    fn held(self) -> Result<Self::Value, BoxError>;
}

impl Condition for () {
    type Value = ();

    fn held(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Condition for bool {
    type Value = ();

    fn held(self) -> Result<(), BoxError> {
        self.then_some(()).ok_or_else(|| "it was false".into())
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn held(self) -> Result<T, BoxError> {
        self.ok_or_else(|| "it was `None`".into())
    }
}

impl<T, E: Into<BoxError>> Condition for Result<T, E> {
    type Value = T;

    fn held(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

async fn attempts<F, Fut>(
    limit: Duration,
    mut condition: F,
    at: &'static Location<'static>,
) -> Result<<Fut::Output as Condition>::Value, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Condition>,
{
    let started = Instant::now();
    let deadline = started + limit;
    let (mut pause, mut attempts, mut last) = (FIRST, 0, None::<BoxError>);
    loop {
        attempts += 1;
        match timeout_at(deadline, attempt(&mut condition)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(failure)) => last = Some(failure),
            Err(_) if last.is_none() => last = Some("the first attempt did not end".into()),
            Err(_) => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::NeverHeld {
                place: at.into(),
                attempts,
                waited: started.elapsed(),
                source: last.unwrap_or_else(|| "it was never tried".into()),
            });
        }
        // The last attempt is made when the time is up, not before.
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

async fn attempt<F, Fut>(condition: &mut F) -> Result<<Fut::Output as Condition>::Value, BoxError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Condition>,
{
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        BoxError::from(format!("it panicked: {}", panic_message(panic.as_ref())))
    };
    let future = catch_unwind(AssertUnwindSafe(condition)).map_err(panicked)?;
    let mut future = pin!(future);
    let ended = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panicked(panic))),
        },
    );
    ended.await?.held()
}
