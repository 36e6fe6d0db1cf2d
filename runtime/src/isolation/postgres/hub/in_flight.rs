//! What clients of a session wait for now: asked often, and never in doubt about a call that was begun before.

use super::line::{Call, Line, Moves, Rest, What};
use super::turn::Before;
use super::{Hub, Shared, lock};
use crate::isolation::calls::lasting;
use crate::isolation::postgres::kernel;
use crate::isolation::postgres::sql::shortened;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::net::{UnixListener, UnixStream};

/// How often everything is looked at again because something has moved meanwhile.
const TRIES: usize = 3;

/// Who is in, and who is at the door.
#[derive(Debug, Default)]
pub(super) struct House {
    doors: Mutex<Vec<Arc<Door>>>,
    lines: Mutex<Vec<Arc<Line>>>,
    moves: Arc<Moves>,
    /// Transactions of connections that are gone, as far as they were at rest for long.
    rests: Mutex<Vec<Rest>>,
}

/// A listener. Whoever connects is in the system's queue before it is known here.
#[derive(Debug)]
struct Door {
    /// Once more, to look at. Not there where no files are left to open.
    listener: Option<OwnedFd>,
    /// Held while somebody comes in.
    entering: Mutex<()>,
}

/// A door that is open until this is dropped.
pub(super) struct Entrance {
    shared: Arc<Shared>,
    door: Arc<Door>,
}

/// A connection that counts until this is dropped.
pub(super) struct Guest {
    shared: Arc<Shared>,
    pub(super) line: Arc<Line>,
}

impl House {
    /// Something was handed from one connection to others.
    pub(super) fn moved(&self) {
        self.moves.count();
    }

    fn calls(&self) -> Vec<Call> {
        // In this order: whoever comes in while this goes on is found behind the door.
        let doors = lock(&self.doors).clone();
        let outside = doors.iter().filter_map(|door| door.call());
        let outside: Vec<_> = outside.collect();
        let lines = lock(&self.lines).clone();
        let inside = lines.iter().filter_map(|line| line.call());
        outside.into_iter().chain(inside).collect()
    }
}

impl Door {
    fn call(&self) -> Option<Call> {
        let _entering = lock(&self.entering);
        let knocks = self.listener.as_ref().is_some_and(kernel::is_readable);
        knocks.then(|| Call::of(What::Opening))
    }
}

impl Entrance {
    pub(super) fn of(shared: &Arc<Shared>, listener: &UnixListener) -> Self {
        let door = Arc::new(Door {
            listener: listener.as_fd().try_clone_to_owned().ok(),
            entering: Mutex::default(),
        });
        lock(&shared.house.doors).push(Arc::clone(&door));
        Self {
            shared: Arc::clone(shared),
            door,
        }
    }

    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
        listener: &UnixListener,
    ) -> Poll<io::Result<(UnixStream, Guest)>> {
        let _entering = lock(&self.door.entering);
        let (socket, _) = ready!(listener.poll_accept(cx))?;
        let house = &self.shared.house;
        let line = Arc::new(Line::of(&socket, &house.moves));
        lock(&house.lines).push(Arc::clone(&line));
        let shared = Arc::clone(&self.shared);
        Poll::Ready(Ok((socket, Guest { shared, line })))
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        lock(&self.shared.house.doors).retain(|door| !Arc::ptr_eq(door, &self.door));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let rest = self.line.longest_rest();
        lock(&self.shared.house.rests).extend(rest);
        lock(&self.shared.house.lines).retain(|line| !Arc::ptr_eq(line, &self.line));
    }
}

impl Hub {
    /// What clients wait for, a line for each. Nothing, once the owner has ended.
    ///
    /// A connection that is at rest is not among them, in a transaction or not; nor is one that listens, and one whose
    /// client has the next word and does not go on: with the data of a COPY, the rest of what it has begun to say, or
    /// reading an answer, such as the rest of a stream.
    pub(crate) fn in_flight(&self, repo: &str) -> Vec<String> {
        let calls = self.shared.calls();
        calls
            .iter()
            .map(|call| self.shared.say(call, repo))
            .collect()
    }

    /// The connections that wait for their clients, a line for each: those in a transaction, if there are any.
    pub(crate) fn at_rest(&self, repo: &str) -> Vec<String> {
        let lines = lock(&self.shared.house.lines).clone();
        let mut rests: Vec<_> = lines.iter().filter_map(|line| line.rest()).collect();
        if rests.iter().any(|rest| rest.in_transaction) {
            rests.retain(|rest| rest.in_transaction);
        }
        rests.sort_by_key(|rest| rest.client);
        rests.iter().map(|rest| rest.say(repo)).collect()
    }
}

impl House {
    /// What to think of if a test has failed: that nobody went on with a transaction for long.
    pub(super) fn hint(&self) -> Option<String> {
        let lines = lock(&self.lines).clone();
        let rests = lines.iter().filter_map(|line| line.longest_rest());
        lock(&self.rests).extend(rests);
        let rests = lock(&self.rests);
        let Rest {
            client,
            statement,
            lasts,
            ..
        } = rests.iter().max_by_key(|rest| rest.lasts)?;
        let (lasts, after) = (lasting(*lasts), after(statement));
        Some(format!(
            "connection {client} had a transaction open and was not used for {lasts}{after}. {ADVICE}"
        ))
    }
}

/// For an error that is sqlx's own, which says no more than that a pool timed out.
const ADVICE: &str = "A task that needs a connection of the same pool waits for it if there are no others: commit or drop a transaction before awaiting such a task, or hand it to the task";

impl Rest {
    fn say(&self, repo: &str) -> String {
        let Self { client, lasts, .. } = self;
        let (lasts, after) = (lasting(*lasts), after(&self.statement));
        let what = if self.in_transaction {
            "has a transaction open and has not been used"
        } else {
            "has not been used"
        };
        format!("connection {client} of repo `{repo}` {what} for {lasts}{after}")
    }
}

fn after(statement: &str) -> String {
    shortened(statement).map_or_else(String::new, |sql| format!(", since it ran `{sql}`"))
}

impl Shared {
    fn calls(&self) -> Vec<Call> {
        for _ in 0..TRIES {
            if self.end.get().is_some() {
                return Vec::new();
            }
            let before = self.house.moves.so_far();
            let calls = self.house.calls();
            // One that was looked at early may have been handed something by one that was looked at late.
            if !calls.is_empty() || self.house.moves.so_far() == before {
                return calls;
            }
        }
        vec![Call::of(What::Running)]
    }

    fn say(&self, call: &Call, repo: &str) -> String {
        let who = match call.client {
            Some(client) => format!("connection {client} of repo `{repo}`"),
            None => format!("a connection of repo `{repo}`"),
        };
        let lasts = lasting(call.lasts);
        let statement = shortened(&call.statement);
        let before = call.client.and_then(|client| self.waits_for(client));
        match (call.what, before) {
            (What::Opening, None) => format!("{who} is being opened, for {lasts}"),
            (What::Asking, _) => format!("{who} was sent something that it has not begun with"),
            (What::Answered, _) => format!("{who} has an answer that is not read yet"),
            (What::Opening | What::Running, Some(before)) => {
                let what = statement.map_or_else(String::new, |sql| format!(" to run `{sql}`"));
                let whom = match before {
                    Before::Turn(other) => format!(", behind connection {other}"),
                    Before::Transaction(other) => {
                        format!(", behind the open transaction of connection {other}")
                    }
                    Before::Nobody => String::new(),
                };
                format!("{who} has waited {lasts} for its turn{what}{whom}")
            }
            (What::Running, None) => match statement {
                Some(sql) => format!("{who} has run `{sql}` for {lasts}"),
                None => format!("{who} has been at work for {lasts}"),
            },
        }
    }
}
