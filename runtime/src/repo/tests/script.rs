//! A session that does as it is told.

use crate::error::Error;
use crate::isolation::{Closed, Held, Lease, Verdict};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// How the next session opens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opens {
    Well,
    Badly,
    /// Only after [`World::tell`].
    WhenTold,
}

/// What the sessions of one test do, and what was asked of them.
#[derive(Clone)]
pub(super) struct World(Arc<Inner>);

struct Inner {
    script: Mutex<VecDeque<Opens>>,
    log: Mutex<Vec<String>>,
    told: Notify,
    opened: AtomicU32,
    closes_badly: AtomicBool,
}

impl World {
    pub(super) fn new(script: impl IntoIterator<Item = Opens>) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(script.into_iter().collect()),
            log: Mutex::default(),
            told: Notify::new(),
            opened: AtomicU32::new(0),
            closes_badly: AtomicBool::new(false),
        }))
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.0.log.lock().expect("no panic").clone()
    }

    /// Lets go on what waits to be told.
    pub(super) fn tell(&self) {
        self.0.told.notify_one();
    }

    pub(super) fn close_badly(&self, badly: bool) {
        self.0.closes_badly.store(badly, Ordering::Relaxed);
    }

    fn note(&self, what: String) {
        self.0.log.lock().expect("no panic").push(what);
    }

    pub(super) fn open(&self) -> impl Future<Output = Result<Scripted, Error>> + use<> {
        let world = self.clone();
        async move {
            let number = world.0.opened.fetch_add(1, Ordering::Relaxed) + 1;
            let next = world.0.script.lock().expect("no panic").pop_front();
            match next.expect("the script says how every session opens") {
                Opens::Well => {}
                Opens::Badly => {
                    world.note(format!("open {number}: fails"));
                    return Err(Error::Database {
                        doing: "open",
                        whom: "a test".to_owned(),
                        source: "the script says so".into(),
                    });
                }
                Opens::WhenTold => {
                    let waiting = Waiting(&world, number);
                    world.0.told.notified().await;
                    std::mem::forget(waiting);
                }
            }
            world.note(format!("open {number}"));
            Ok(Scripted {
                world,
                number,
                done: AtomicBool::new(false),
            })
        }
    }
}

/// Notes that the opening was dropped before it was done.
struct Waiting<'a>(&'a World, u32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.note(format!("open {}: dropped", self.1));
    }
}

/// The session.
pub(super) struct Scripted {
    world: World,
    number: u32,
    done: AtomicBool,
}

impl Lease for Scripted {
    type Handle = u32;

    fn handle(&self) -> &u32 {
        &self.number
    }

    fn schema(&self) -> (&str, &str) {
        ("", "")
    }

    async fn url(&self) -> Result<String, Error> {
        Ok("scripted:".to_owned())
    }

    fn connections(&self) -> (u32, usize) {
        (0, 0)
    }

    async fn in_flight(&self) -> Vec<String> {
        Vec::new()
    }

    fn held(&self, _: &sqlx::Error) -> Option<Held> {
        None
    }

    fn revoke(&self) {
        self.world.note(format!("revoke {}", self.number));
    }

    async fn checkin(&self, verdict: Verdict, patience: Duration) -> Closed {
        self.done.store(true, Ordering::Relaxed);
        self.world
            .note(format!("checkin {}: {verdict:?}", self.number));
        let mut closed = Closed::default();
        if self.world.0.closes_badly.load(Ordering::Relaxed) {
            let held = Error::still_held("a test", "the script".to_owned(), patience);
            closed.errors.push(held);
        }
        closed
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            self.world.note(format!("dropped {}", self.number));
        }
    }
}
