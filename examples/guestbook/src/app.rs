//! The application as a whole: what it is made of, how it serves, how it ends.

use crate::live::Live;
use crate::statistics::Statistics;
use crate::web;
use axum::Router;
use axum::extract::FromRef;
use std::future::Future;
use std::io;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// What the handlers share. Each takes only what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    live: Live,
    statistics: Statistics,
    tasks: TaskTracker,
}

impl FromRef<Shared> for Live {
    fn from_ref(shared: &Shared) -> Self {
        shared.live.clone()
    }
}

impl FromRef<Shared> for Statistics {
    fn from_ref(shared: &Shared) -> Self {
        shared.statistics.clone()
    }
}

impl FromRef<Shared> for TaskTracker {
    fn from_ref(shared: &Shared) -> Self {
        shared.tasks.clone()
    }
}

/// A running guestbook.
#[derive(Debug)]
pub struct Guestbook {
    shared: Shared,
    more: Router,
    actor: JoinHandle<()>,
}

impl Guestbook {
    /// Opens the book that is in the database of [`REPO`](crate::REPO), which is migrated.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, where the statistics cannot start.
    #[must_use]
    pub fn open() -> Self {
        let (statistics, actor) = Statistics::start();
        let shared = Shared {
            live: Live::default(),
            statistics,
            tasks: TaskTracker::new(),
        };
        Self {
            shared,
            more: Router::new(),
            actor,
        }
    }

    /// Serves this as well.
    #[must_use]
    pub fn with(mut self, more: Router) -> Self {
        self.more = self.more.merge(more);
        self
    }

    /// Everything it answers to.
    pub fn router(&self) -> Router {
        web::router(self.shared.clone()).merge(self.more.clone())
    }

    /// Whom it tells of new entries.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.shared.live
    }

    /// Its statistics.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.shared.statistics
    }

    /// Its background tasks.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Serves until `stop`, lets requests in flight end, then closes the book.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let served = axum::serve(listener, self.router())
            .with_graceful_shutdown(stop)
            .await;
        self.close().await;
        served
    }

    /// Closes the book: open pages are told, background tasks end, then the statistics, which have counted everything by
    /// then.
    pub async fn close(self) {
        self.shared.live.close();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.statistics.stop().await;
        if let Err(error) = self.actor.await {
            eprintln!("guestbook: the statistics did not end well: {error}");
        }
    }
}
