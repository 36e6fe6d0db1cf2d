//! Waiting for a server that says that it is full, or that is starting or stopping.

use super::template::TemplateError;
use super::upstream::ConnectError;
use std::future::Future;
use std::time::{Duration, Instant};

/// How often a server is asked again. Nobody says when sessions of other processes end, or when it is there again.
pub(super) const AGAIN: Duration = Duration::from_millis(50);

/// For how long a server may be full of other people's sessions.
const FULL_FOR: Duration = Duration::from_mins(1);

/// For how long a server may be gone, as one is that restarts.
const GONE_FOR: Duration = Duration::from_secs(10);

/// An error of a server that may be otherwise in a moment.
pub(super) trait Passing {
    /// The server has no free connection, or none for this role or database.
    fn is_full(&self) -> bool;

    /// It has said that it starts or stops.
    fn is_changing(&self) -> bool;
}

impl Passing for ConnectError {
    fn is_full(&self) -> bool {
        self.code() == Some("53300")
    }

    fn is_changing(&self) -> bool {
        matches!(self.code(), Some("57P01" | "57P03"))
    }
}

impl Passing for TemplateError {
    fn is_full(&self) -> bool {
        matches!(self, Self::Connect(error) if error.is_full())
    }

    fn is_changing(&self) -> bool {
        matches!(self, Self::Connect(error) if error.is_changing())
    }
}

/// Does it again for as long as the server is full or changing, within reason. A server that does not answer at all is an
/// error at once: it may be the wrong address.
pub(super) async fn patiently<T, E, F, Fut>(work: F) -> Result<T, E>
where
    E: Passing,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let since = Instant::now();
    loop {
        match work().await {
            Err(error) if error.is_full() && since.elapsed() < FULL_FOR => {}
            Err(error) if error.is_changing() && since.elapsed() < GONE_FOR => {}
            done => return done,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// As [`patiently`], for a server that was there a moment ago: it may be gone altogether for as long as a restart takes.
/// That it is full is said at once.
pub(super) async fn until_back<T, F, Fut>(connect: F) -> Result<T, ConnectError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, ConnectError>>,
{
    let since = Instant::now();
    loop {
        match connect().await {
            Err(error) if is_gone(&error) && since.elapsed() < GONE_FOR => {}
            done => return done,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn is_gone(error: &ConnectError) -> bool {
    use ConnectError::{Closed, Unreachable};
    matches!(error, Unreachable { .. } | Closed { .. }) || error.is_changing()
}
