//! The statistics: an actor that lives as long as the application and counts in the database.
//!
//! It is far from any request and has no pool of its own; it uses [`REPO`]. Orders come in envelopes, so that it counts for
//! whoever gave the order: in tests, in the database of the test.

use crate::REPO;
use crate::error::{Error, log};
use heirloom::{Envelope, owned_task};
use serde::Serialize;
use std::ops::ControlFlow;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Guests who signed up.
    Guests,
    /// Entries that were signed.
    Entries,
}

impl Counter {
    fn name(self) -> &'static str {
        match self {
            Self::Guests => "guests",
            Self::Entries => "entries",
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Guests who signed up.
    pub guests: i64,
    /// Entries that were signed.
    pub entries: i64,
}

#[derive(Debug)]
enum Order {
    Count(Counter),
    Tell(oneshot::Sender<Result<Summary, Error>>),
    Stop,
}

/// Speaks to the actor. Orders are done one after the other, in the order they were given.
#[derive(Clone, Debug)]
pub struct Statistics {
    orders: mpsc::Sender<Envelope<Order>>,
}

/// Orders that wait; who gives one more waits too.
const WAITING: usize = 64;

#[owned_task]
impl Statistics {
    /// Starts the actor. It ends after [`Statistics::stop`], or when nobody can give it orders any more.
    #[must_use]
    pub fn start() -> (Self, JoinHandle<()>) {
        let (orders, given) = mpsc::channel(WAITING);
        (Self { orders }, tokio::spawn(keep(given)))
    }

    /// Counts one more. Nobody's request fails because of the statistics: what goes wrong is logged.
    pub async fn count(&self, counter: Counter) {
        if let Err(stopped) = self.give(Order::Count(counter)).await {
            log("counting", &stopped);
        }
    }

    /// What was counted, including everything that was given to count before.
    ///
    /// # Errors
    ///
    /// [`Error::StatisticsStopped`], [`Error::Database`].
    pub async fn summary(&self) -> Result<Summary, Error> {
        let (tell, told) = oneshot::channel();
        self.give(Order::Tell(tell)).await?;
        told.await.map_err(|_| Error::StatisticsStopped)?
    }

    /// Ends the actor once it has done what it was given before.
    pub async fn stop(&self) {
        // An actor that is gone has stopped.
        self.give(Order::Stop).await.ok();
    }

    async fn give(&self, order: Order) -> Result<(), Error> {
        let given = self.orders.send(Envelope::new(order)).await;
        given.map_err(|_| Error::StatisticsStopped)
    }
}

#[owned_task(name = "statistics")]
async fn keep(mut orders: mpsc::Receiver<Envelope<Order>>) {
    while let Some(order) = orders.recv().await {
        if order.handle(obey).await.is_break() {
            break;
        }
    }
}

async fn obey(order: Order) -> ControlFlow<()> {
    match order {
        Order::Count(counter) => {
            if let Err(error) = count(counter).await {
                log("counting", &error);
            }
        }
        // Who asked may have gone away meanwhile.
        Order::Tell(asked) => drop(asked.send(summary().await)),
        Order::Stop => return ControlFlow::Break(()),
    }
    ControlFlow::Continue(())
}

async fn count(counter: Counter) -> Result<(), Error> {
    sqlx::query("INSERT INTO counted (counter) VALUES ($1)")
        .bind(counter.name())
        .execute(&REPO)
        .await?;
    Ok(())
}

async fn summary() -> Result<Summary, Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT counter, value FROM statistics")
        .fetch_all(&REPO)
        .await?;
    let value = |counter: Counter| {
        let row = rows.iter().find(|(name, _)| name == counter.name());
        row.map_or(0, |(_, value)| *value)
    };
    Ok(Summary {
        guests: value(Counter::Guests),
        entries: value(Counter::Entries),
    })
}
