//! A request that takes as long as a test wants, for what happens when its browser does not wait for it.

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::post;
use guestbook::{Error, NewEntry, REPO, SignUp, sign, sign_up};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// As long as fantoccini waits for an element.
const PATIENCE: Duration = Duration::from_secs(30);

static GATES: Mutex<Option<HashMap<String, Gate>>> = Mutex::new(None);

/// Holds the request `POST /slow/{name}` in the middle of its transaction.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Steps>);

#[derive(Debug)]
struct Steps {
    begun: Semaphore,
    abandoned: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// The gate of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.get_or_insert_default().entry(name.to_owned());
        let closed = || {
            Self(Arc::new(Steps {
                begun: Semaphore::new(0),
                abandoned: Semaphore::new(0),
                open: Semaphore::new(0),
            }))
        };
        gate.or_insert_with(closed).clone()
    }

    /// Waits until the request has written half of what it writes.
    ///
    /// # Errors
    ///
    /// When it does not in 30 s.
    pub async fn begun(&self) -> Result<(), Elapsed> {
        timeout(PATIENCE, pass(&self.0.begun)).await
    }

    /// Waits until the server has noticed that nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// When it does not in 30 s.
    pub async fn abandoned(&self) -> Result<(), Elapsed> {
        timeout(PATIENCE, pass(&self.0.abandoned)).await
    }

    /// Lets the request go on.
    pub fn open(&self) {
        self.0.open.add_permits(1);
    }
}

async fn pass(step: &Semaphore) {
    step.acquire().await.expect("it is never closed").forget();
}

pub(crate) fn router() -> Router {
    Router::new().route("/slow/{name}", post(slow))
}

/// Somebody signs up and, once the gate is open, signs the book: both or neither.
async fn slow(Path(name): Path<String>) -> Result<(), Error> {
    let gate = Gate::named(&name);
    let mut writing = REPO.begin().await?;
    let email = email_at(&name);
    let guest = SignUp {
        name,
        email: email.clone(),
    };
    sign_up(&mut *writing, &guest).await?;
    gate.0.begun.add_permits(1);
    pass(&gate.0.open).await;
    let text = "Slowly.".to_owned();
    sign(&mut *writing, &NewEntry { email, text }).await?;
    Ok(writing.commit().await?)
}

/// The guest of the request `POST /slow/{name}`.
#[must_use]
pub fn email_at(name: &str) -> String {
    format!("{name}@slow.example.org")
}

/// Around everything that keeps a request alive: tells the gate when the server drops it unanswered.
pub(crate) fn noticing(router: Router) -> Router {
    router.layer(from_fn(notice))
}

async fn notice(request: Request, next: Next) -> Response {
    let name = request.uri().path().strip_prefix("/slow/");
    let mut unanswered = Unanswered(name.map(Gate::named));
    let answer = next.run(request).await;
    unanswered.0 = None;
    answer
}

struct Unanswered(Option<Gate>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.0.abandoned.add_permits(1);
        }
    }
}
