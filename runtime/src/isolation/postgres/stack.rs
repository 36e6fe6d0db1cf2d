//! The open transactions of an owner's connections, one within the other, and the savepoints that they really are.

use super::session::Deferred;
use super::settings::Settings;
use super::sql::Modes;
use std::fmt;

/// A connection, by our own number.
pub(crate) type ClientId = u64;

/// The name of a savepoint of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Savepoint {
    /// The usual one before a statement: always the same name, so that setting it is prepared. There is only one at a
    /// time, and nothing of ours is younger.
    Usual,
    /// One of its own.
    Own(u64),
}

impl fmt::Display for Savepoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("heirloom_g"),
            Self::Own(number) => write!(f, "heirloom_{number}"),
        }
    }
}

/// What stands between a statement that fails and everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Guard {
    /// No savepoint beyond those of open transactions.
    #[default]
    None,
    /// A savepoint since which nothing has happened.
    Fresh(Savepoint),
    /// A savepoint since which something has happened, for good: it is to be released before the next one is set.
    Used(Savepoint),
}

/// A savepoint that a transaction set itself, or its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// As the client named it; of the beginning there is none.
    pub(crate) name: Box<[u8]>,
    /// What the session had set when it was set.
    pub(crate) applied: Settings,
    /// What its connection had set.
    pub(crate) settings: Settings,
    /// How much had been written by then; see [`Stack::writes`].
    writes: usize,
    /// How many cursors, notifications and changes of channels there were.
    pub(crate) cursors: usize,
    pub(crate) notices: usize,
    pub(crate) channels: usize,
    /// How many settings that hold until the end.
    pub(crate) locals: usize,
    /// How much had been said of temporary tables.
    pub(crate) temporaries: usize,
    /// How many portals its connection had made.
    pub(crate) portals: u64,
    /// What the transaction was allowed to do.
    pub(crate) modes: Modes,
}

/// What held when a savepoint was set.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// What the session had set, and what its connection.
    pub(crate) applied: Settings,
    pub(crate) settings: Settings,
    /// How much had been said of temporary tables.
    pub(crate) temporaries: usize,
    /// How many portals its connection had made.
    pub(crate) portals: u64,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) client: ClientId,
    pub(crate) savepoint: Savepoint,
    /// Its beginning, and its savepoints.
    pub(crate) marks: Vec<Mark>,
    /// Committed, while others that began after it are open still.
    pub(crate) committed: bool,
    /// Whether constraints may be deferred in it.
    pub(crate) deferring: bool,
    /// Those of whose deferral the server knows.
    pub(crate) deferred: Deferred,
    /// Whether a query was run in it.
    pub(crate) ran: bool,
    /// What it may do; both are said.
    pub(crate) modes: Modes,
    /// Cursors that end with it.
    pub(crate) cursors: Vec<Box<[u8]>>,
    /// What it is going to notify: channel and payload.
    pub(crate) notices: Vec<(Box<[u8]>, Vec<u8>)>,
    /// Channels that it listens to from its end on, or no more; `None` is all.
    pub(crate) channels: Vec<(Option<Box<[u8]>>, bool)>,
    /// Settings that hold until its end, and the statements that made them so.
    pub(crate) locals: Vec<(Box<[u8]>, Vec<u8>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    open: Vec<Open>,
    pub(crate) guard: Guard,
    numbers: u64,
    /// What was written while a transaction was open, by whom: a rollback takes all of it that is younger with it.
    writes: Vec<(ClientId, String)>,
}

/// What a rollback has taken with it that a server would have kept: of other connections.
pub(crate) type Diverged = Vec<(ClientId, String)>;

impl Stack {
    /// A savepoint with a name of its own.
    pub(crate) fn next_savepoint(&mut self) -> Savepoint {
        self.numbers += 1;
        Savepoint::Own(self.numbers)
    }

    /// Whose transaction was opened last.
    pub(crate) fn top(&self) -> Option<&Open> {
        self.open.last()
    }

    pub(crate) fn of(&mut self, client: ClientId) -> Option<&mut Open> {
        let mut live = self.open.iter_mut();
        live.find(|open| open.client == client && !open.committed)
    }

    /// Whether a transaction stands on the usual savepoint, so that none before a statement can have its name.
    pub(crate) fn holds_usual(&self) -> bool {
        let mut all = self.open.iter();
        all.any(|open| open.savepoint == Savepoint::Usual)
    }

    pub(crate) fn has(&self, client: ClientId) -> bool {
        let mut live = self.open.iter();
        live.any(|open| open.client == client && !open.committed)
    }

    pub(crate) fn is_top(&self, client: ClientId) -> bool {
        self.top()
            .is_some_and(|open| open.client == client && !open.committed)
    }

    /// Opens a transaction on a savepoint that has been set.
    pub(crate) fn begin(
        &mut self,
        client: ClientId,
        savepoint: Savepoint,
        modes: Modes,
        before: Before,
    ) -> &mut Open {
        let beginning = Mark {
            name: Box::default(),
            applied: before.applied,
            settings: before.settings,
            writes: self.writes.len(),
            cursors: 0,
            notices: 0,
            channels: 0,
            locals: 0,
            temporaries: before.temporaries,
            portals: before.portals,
            modes,
        };
        self.open.push(Open {
            client,
            savepoint,
            marks: vec![beginning],
            committed: false,
            deferring: false,
            deferred: Deferred::default(),
            ran: false,
            modes,
            cursors: Vec::new(),
            notices: Vec::new(),
            channels: Vec::new(),
            locals: Vec::new(),
        });
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// A savepoint of the client's own.
    pub(crate) fn save(&mut self, client: ClientId, name: &[u8], before: Before) {
        let writes = self.writes.len();
        if let Some(open) = self.of(client) {
            let mark = Mark {
                name: name.into(),
                applied: before.applied,
                settings: before.settings,
                writes,
                cursors: open.cursors.len(),
                notices: open.notices.len(),
                channels: open.channels.len(),
                locals: open.locals.len(),
                temporaries: before.temporaries,
                portals: before.portals,
                modes: open.modes,
            };
            open.marks.push(mark);
        }
    }

    /// Where in a transaction's marks the youngest savepoint of this name is.
    pub(crate) fn find(&mut self, client: ClientId, name: &[u8]) -> Option<usize> {
        let marks = &self.of(client)?.marks;
        let found = marks.iter().rposition(|mark| *mark.name == *name);
        found.filter(|&at| at > 0)
    }

    /// Takes a transaction off the stack, with what was opened after it: those come second, the last one first.
    pub(crate) fn take(&mut self, client: ClientId) -> Option<(Open, Vec<Open>)> {
        let live = |open: &Open| open.client == client && !open.committed;
        let at = self.open.iter().position(live)?;
        let mut above: Vec<_> = self.open.drain(at + 1..).collect();
        above.reverse();
        self.open.pop().map(|own| (own, above))
    }

    /// Those that were opened after this client's, the last one first; they are off the stack then.
    pub(crate) fn take_above(&mut self, client: ClientId) -> Vec<Open> {
        let live = |open: &Open| open.client == client && !open.committed;
        let Some(at) = self.open.iter().position(live) else {
            return Vec::new();
        };
        let mut above: Vec<_> = self.open.drain(at + 1..).collect();
        above.reverse();
        above
    }

    /// Lets go of those at the top that were committed before others ended: their savepoint goes with the guard.
    pub(crate) fn settle(&mut self) {
        while self.top().is_some_and(|open| open.committed) {
            if let Some(open) = self.open.pop() {
                self.guard = Guard::Used(open.savepoint);
            }
        }
        if self.open.is_empty() {
            self.writes.clear();
        }
    }

    /// Takes note that a client has written something.
    pub(crate) fn wrote(&mut self, client: ClientId, what: &str) {
        if !self.open.is_empty() {
            self.writes.push((client, what.to_owned()));
        }
    }

    /// Everything since a mark is gone; says what of it was not this client's.
    pub(crate) fn undone(&mut self, client: ClientId, since: &Mark) -> Diverged {
        let from = since.writes.min(self.writes.len());
        let gone = self.writes.drain(from..);
        gone.filter(|(who, _)| *who != client).collect()
    }
}
