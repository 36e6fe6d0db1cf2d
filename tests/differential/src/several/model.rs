//! What several connections of one owner must see: all of them in one session, their transactions one within the other.
//!
//! A statement changes what is the case for everybody, at once. A transaction, and a savepoint in it, marks a point in the
//! order of all changes; rolling back to it undoes everything since, whoever did it, and ends the transactions that were
//! begun since. Those fail at their next statement, until they are ended. COMMIT forgets the marks and undoes nothing. A
//! statement that fails undoes the changes since the youngest mark of its transaction; of a transaction within which
//! another has been begun, none.

use std::collections::BTreeMap;

/// What one connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begins a transaction.
    Begin,
    /// Commits it.
    Commit,
    /// Rolls it back.
    Rollback,
    /// Sets a savepoint of this name.
    Savepoint(&'static str),
    /// Goes back to it.
    RollbackTo(&'static str),
    /// Forgets it.
    Release(&'static str),
    /// Gives a key a value.
    Write(u32, u32),
    /// Removes a key.
    Remove(u32),
    /// Reads all keys and values.
    Read,
    /// Divides by zero.
    Fail,
    /// Changes a setting.
    Set(u32),
    /// Reads it.
    Show,
}

/// One connection.
#[derive(Clone, Debug)]
struct Party {
    status: Status,
    setting: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Idle,
    Open,
    /// A statement of its own has failed.
    Failed,
    /// Another's rollback has ended its transaction.
    Ended {
        /// What was set before it.
        setting: u32,
        /// Whether it has been told, by a statement that failed.
        told: bool,
    },
}

/// A point in the order of all changes.
#[derive(Clone, Debug)]
struct Mark {
    party: usize,
    /// Of a savepoint; the beginning has none.
    name: Option<&'static str>,
    /// How many changes there were.
    changes: usize,
    /// What its connection had set.
    setting: u32,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    party: usize,
    key: u32,
    value: Option<u32>,
}

/// What a step must be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What it says it has done, or the SQLSTATE of its error: empty if that may be any.
    pub said: Result<&'static str, &'static str>,
    /// What it has read.
    pub rows: Vec<(u32, Option<u32>)>,
    /// Where the transaction is then.
    pub status: u8,
}

/// All connections, and what is the case.
#[derive(Clone, Debug)]
pub struct Model {
    parties: Vec<Party>,
    changes: Vec<Change>,
    /// In the order in which they were set.
    marks: Vec<Mark>,
    /// Changes that were undone by another connection's rollback.
    lost: usize,
}

const NO_SUCH_SAVEPOINT: &str = "3B001";
const IN_FAILED_TRANSACTION: &str = "25P02";
const DIVISION_BY_ZERO: &str = "22012";

impl Model {
    /// So many connections, and nothing written.
    #[must_use]
    pub fn new(parties: usize) -> Self {
        let party = Party {
            status: Status::Idle,
            setting: 0,
        };
        Self {
            parties: vec![party; parties],
            changes: Vec::new(),
            marks: Vec::new(),
            lost: 0,
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties.len()
    }

    /// Whether another connection has begun a transaction since this one began its own.
    #[must_use]
    pub fn is_buried(&self, party: usize) -> bool {
        let own = self.marks.iter().rposition(|mark| mark.party == party);
        own.is_some_and(|own| own + 1 < self.marks.len())
    }

    /// Where the connection's transaction is.
    #[must_use]
    pub fn status(&self, party: usize) -> u8 {
        match self.parties[party].status {
            Status::Idle => b'I',
            Status::Open | Status::Ended { told: false, .. } => b'T',
            Status::Failed | Status::Ended { told: true, .. } => b'E',
        }
    }

    /// The setting, unless that cannot be known.
    #[must_use]
    pub fn setting(&self, party: usize) -> Option<u32> {
        let party = &self.parties[party];
        matches!(party.status, Status::Idle | Status::Open).then_some(party.setting)
    }

    /// How many changes were undone that a server would have kept.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// What is the case, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<(u32, Option<u32>)> {
        let mut rows = BTreeMap::new();
        for change in &self.changes {
            rows.insert(change.key, change.value);
        }
        rows.retain(|_, value| value.is_some());
        rows.into_iter().collect()
    }

    /// Does what the connection does; says what it must be told.
    pub fn act(&mut self, party: usize, action: Action) -> Expected {
        let said = match self.parties[party].status {
            Status::Idle | Status::Open => self.run(party, action),
            Status::Failed | Status::Ended { .. } => self.run_failed(party, action),
        };
        let rows = match (said, action) {
            (Ok(_), Action::Read) => self.rows(),
            (Ok(_), Action::Show) => vec![(self.parties[party].setting, None)],
            _ => Vec::new(),
        };
        Expected {
            said,
            rows,
            status: self.status(party),
        }
    }

    fn run(&mut self, party: usize, action: Action) -> Result<&'static str, &'static str> {
        let open = self.parties[party].status == Status::Open;
        match action {
            Action::Begin => {
                if !open {
                    self.parties[party].status = Status::Open;
                    self.mark(party, None);
                }
                Ok("BEGIN")
            }
            Action::Commit => {
                self.marks.retain(|mark| mark.party != party);
                self.parties[party].status = Status::Idle;
                Ok("COMMIT")
            }
            Action::Rollback => {
                self.roll_back(party);
                Ok("ROLLBACK")
            }
            Action::Savepoint(name) => {
                self.mark(party, Some(name));
                Ok("SAVEPOINT")
            }
            Action::RollbackTo(name) => match self.find(party, name) {
                Some(at) => {
                    self.roll_back_to(at);
                    Ok("ROLLBACK")
                }
                None => self.fail(party, NO_SUCH_SAVEPOINT),
            },
            Action::Release(name) => match self.find(party, name) {
                Some(at) => {
                    let mut index = 0;
                    self.marks.retain(|mark| {
                        index += 1;
                        mark.party != party || index <= at
                    });
                    Ok("RELEASE")
                }
                None => self.fail(party, NO_SUCH_SAVEPOINT),
            },
            Action::Write(key, value) => {
                self.change(party, key, Some(value));
                Ok("INSERT 0 1")
            }
            Action::Remove(key) => {
                let there = self.rows().iter().any(|&(known, _)| known == key);
                if there {
                    self.change(party, key, None);
                }
                Ok(if there { "DELETE 1" } else { "DELETE 0" })
            }
            Action::Read => Ok("SELECT"),
            Action::Fail => self.fail(party, DIVISION_BY_ZERO),
            Action::Set(value) => {
                self.parties[party].setting = value;
                Ok("SET")
            }
            Action::Show => Ok("SHOW"),
        }
    }

    fn run_failed(&mut self, party: usize, action: Action) -> Result<&'static str, &'static str> {
        match action {
            Action::Commit | Action::Rollback => {
                self.roll_back(party);
                return Ok("ROLLBACK");
            }
            _ => {}
        }
        // Its savepoints went with it, too.
        if let Status::Ended { told, .. } = &mut self.parties[party].status {
            *told = true;
            return Err("");
        }
        match action {
            Action::RollbackTo(name) => match self.find(party, name) {
                Some(at) => {
                    self.roll_back_to(at);
                    self.parties[party].status = Status::Open;
                    Ok("ROLLBACK")
                }
                None => Err(NO_SUCH_SAVEPOINT),
            },
            _ => Err(IN_FAILED_TRANSACTION),
        }
    }

    fn mark(&mut self, party: usize, name: Option<&'static str>) {
        self.marks.push(Mark {
            party,
            name,
            changes: self.changes.len(),
            setting: self.parties[party].setting,
        });
    }

    fn find(&self, party: usize, name: &str) -> Option<usize> {
        let is_it = |mark: &Mark| mark.party == party && mark.name == Some(name);
        self.marks.iter().rposition(is_it)
    }

    fn change(&mut self, party: usize, key: u32, value: Option<u32>) {
        self.changes.push(Change { party, key, value });
    }

    fn fail(&mut self, party: usize, code: &'static str) -> Result<&'static str, &'static str> {
        if self.parties[party].status == Status::Open {
            self.parties[party].status = Status::Failed;
            if let Some(youngest) = self.marks.last().filter(|mark| mark.party == party) {
                let changes = youngest.changes;
                self.undo(party, changes);
            }
        }
        Err(code)
    }

    fn roll_back(&mut self, party: usize) {
        let begun = self.marks.iter().position(|mark| mark.party == party);
        match (begun, self.parties[party].status) {
            (Some(at), _) => {
                self.roll_back_to(at);
                self.marks.truncate(at);
            }
            (None, Status::Ended { setting, .. }) => self.parties[party].setting = setting,
            (None, _) => {}
        }
        self.parties[party].status = Status::Idle;
    }

    /// Back to a mark, which stays.
    fn roll_back_to(&mut self, at: usize) {
        let Mark {
            party,
            changes,
            setting,
            ..
        } = self.marks[at];
        self.undo(party, changes);
        self.parties[party].setting = setting;
        for mark in self.marks.drain(at + 1..) {
            if mark.party != party && mark.name.is_none() {
                self.parties[mark.party].status = Status::Ended {
                    setting: mark.setting,
                    told: self.parties[mark.party].status == Status::Failed,
                };
            }
        }
    }

    fn undo(&mut self, party: usize, from: usize) {
        let gone = self.changes.drain(from..);
        self.lost += gone.filter(|change| change.party != party).count();
    }
}
