//! Who uses a session: noted at every use, so it costs no text until somebody asks.

use crate::error::{Asker, Place};
use std::thread::Thread;
use std::time::Instant;

/// Who uses a session, from where, since when.
#[derive(Clone, Debug)]
pub(crate) struct User {
    thread: Thread,
    task: Option<tokio::task::Id>,
    place: Option<Place>,
    pub(super) since: Instant,
}

impl User {
    /// Whoever runs this code now.
    pub(crate) fn now(place: Option<Place>) -> Self {
        Self {
            thread: std::thread::current(),
            task: tokio::task::try_id(),
            place,
            since: Instant::now(),
        }
    }

    pub(super) fn asker(&self) -> Asker {
        let unnamed = || format!("{:?}", self.thread.id());
        Asker {
            thread: self.thread.name().map_or_else(unnamed, str::to_owned),
            task: self.task.map(|id| id.to_string()),
            place: self.place,
        }
    }
}
