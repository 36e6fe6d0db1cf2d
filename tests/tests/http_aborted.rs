//! Requests whose clients go away at random moments: every handler that has begun finishes, no statement is cut off, and the
//! sandbox is as good as before. `HEIRLOOM_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use axum::Router;
use axum::routing::get as on_get;
use heirloom::http::SandboxLayer;
use heirloom::{Repo, Sandbox, sandboxed};
use heirloom_tests::{MIGRATOR, Random, nobodys};
use http::{Client, get, serve};
use sqlx::{Postgres, Sqlite};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// In process, and over connections that break, on each database.
const REQUESTS: i64 = 300;
const CONNECTIONS: i64 = 40;

/// Nothing here is about time, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Polls a future until it has waited so often, then drops it. Whether it got to its end.
async fn dropped_after<F: Future>(waits: u64, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = waits;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// What handlers have done, as they tell it themselves.
struct Handlers {
    /// Their guests' ids come after this. No other test's: on PostgreSQL who inserts the same one waits for its end.
    ids_after: i64,
    begun: AtomicI64,
    finished: AtomicI64,
    /// They are in the middle of their transaction.
    reached: Semaphore,
    /// And may go on.
    open: Semaphore,
}

impl Handlers {
    const fn with_an_open_way(times: usize, ids_after: i64) -> Self {
        Self {
            ids_after,
            begun: AtomicI64::new(0),
            finished: AtomicI64::new(0),
            reached: Semaphore::const_new(0),
            open: Semaphore::const_new(times),
        }
    }
}

/// Tells of each request where it was when its client went.
#[derive(Default)]
struct Clients {
    answered: i64,
    gone: i64,
}

impl Clients {
    fn saw(&mut self, answered: bool) {
        *(if answered {
            &mut self.answered
        } else {
            &mut self.gone
        }) += 1;
    }

    fn went_at_all_times(&self) {
        println!("{} answered, {} gone before", self.answered, self.gone);
        assert!(self.answered > 0 && self.gone > 0);
    }
}

/// The same text for each database, whose types have nothing in common.
macro_rules! on {
    ($name:ident, $database:ident) => {
        mod $name {
            use super::*;

            static REPO: Repo<$database> = Repo::named(stringify!($name)).migrator(&MIGRATOR);
            static IN_PROCESS: Handlers = Handlers::with_an_open_way(10_000, 1_000_000);
            static OVER_TCP: Handlers = Handlers::with_an_open_way(0, 2_000_000);

            /// Writes in a transaction, with many an `.await`, and counts at its end.
            async fn writes(handlers: &'static Handlers) -> String {
                let number = handlers.begun.fetch_add(1, Ordering::SeqCst) + 1;
                let id = i32::try_from(handlers.ids_after + number).unwrap();
                let mut transaction = REPO.begin().await.unwrap();
                let insert = sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $2)");
                let insert = insert.bind(id).bind(format!("{id}@example.org"));
                insert.execute(&mut *transaction).await.unwrap();
                handlers.reached.add_permits(1);
                handlers.open.acquire().await.unwrap().forget();
                let visit = sqlx::query("INSERT INTO visits (guest, day) VALUES ($1, 'today')");
                visit.bind(id).execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap();
                handlers.finished.fetch_add(1, Ordering::SeqCst);
                number.to_string()
            }

            fn app(handlers: &'static Handlers) -> Router {
                let write = move || writes(handlers);
                Router::new()
                    .route("/write", on_get(write))
                    .layer(SandboxLayer::new())
            }

            /// Whatever was begun has been finished, and is there; and the next one works as well.
            async fn all_is_well(sandbox: &Sandbox, handlers: &'static Handlers) {
                sandbox.settle_within(PATIENCE).await.unwrap();
                sandbox.join_within(PATIENCE).await.unwrap();
                let begun = handlers.begun.load(Ordering::SeqCst);
                assert!(begun > 0);
                assert_eq!(handlers.finished.load(Ordering::SeqCst), begun);
                for table in ["guests", "visits"] {
                    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
                    let rows = sqlx::query_scalar::<_, i64>(count).fetch_one(&REPO);
                    assert_eq!(rows.await.unwrap(), begun, "{table}");
                }
                handlers.open.add_permits(1);
                let request = get("/write", Some(sandbox.owner()));
                let next = app(handlers).oneshot(request).await.unwrap();
                assert_eq!(http::text_of(next).await.1, (begun + 1).to_string());
            }

            #[sandboxed]
            async fn handlers_that_are_dropped_in_process_finish(sandbox: Sandbox) {
                let mut random = Random::seeded();
                let mut clients = Clients::default();
                for _ in 0..REQUESTS {
                    let request = get("/write", Some(sandbox.owner()));
                    let asked = app(&IN_PROCESS).oneshot(request);
                    clients.saw(dropped_after(random.below(12), asked).await);
                }
                clients.went_at_all_times();
                all_is_well(&sandbox, &IN_PROCESS).await;
            }

            #[sandboxed]
            async fn handlers_whose_connections_break_finish(sandbox: Sandbox) {
                let mut random = Random::seeded();
                let mut clients = Clients::default();
                let address = serve(app(&OVER_TCP));
                for _ in 0..CONNECTIONS {
                    let request = get("/write", Some(sandbox.owner()));
                    let waits = random.below(2) == 0;
                    let asked = nobodys().spawn(async move {
                        let mut client = Client::connect(address).await;
                        client.ask(request).await
                    });
                    OVER_TCP.reached.acquire().await.unwrap().forget();
                    if !waits {
                        asked.abort();
                        // Its server has heard of it, or it would be in flight.
                        sandbox.settle_within(PATIENCE).await.unwrap();
                    }
                    OVER_TCP.open.add_permits(1);
                    clients.saw(asked.await.is_ok());
                }
                clients.went_at_all_times();
                all_is_well(&sandbox, &OVER_TCP).await;
            }
        }
    };
}

on!(on_sqlite, Sqlite);
on!(on_postgres, Postgres);
