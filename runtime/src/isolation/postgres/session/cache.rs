//! Prepared statements that outlive the connections, and the tests, that prepared them.

use crate::isolation::postgres::sql::Kind;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// A session keeps no more of them when it is given to the next owner: about as many as some pools of sqlx's default
/// (100 each) prepare.
const MOST: usize = 1_000;

/// A statement that the server has prepared, or that is one of ours to carry out.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its name on the server.
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: Kind,
    /// Its text as the client wrote it.
    pub(crate) sql: Bytes,
    /// What Describe answers: both frames.
    pub(crate) described: OnceLock<Bytes>,
    /// The name on the server of the statement that it executes, where it is another than in its text.
    pub(crate) executes: Option<Box<[u8]>>,
    /// Whether others use it as well, so that it stays when one of them closes it.
    pub(crate) shared: bool,
}

impl Prepared {
    /// For a cursor, of which only SQL knows, or a portal without a query.
    pub(crate) fn nothing(kind: Kind) -> Self {
        Self {
            name: Box::default(),
            kind,
            sql: Bytes::new(),
            described: OnceLock::new(),
            executes: None,
            shared: true,
        }
    }
}

/// What makes two statements the same: the text, the types of the parameters, and the settings it is read under.
pub(crate) type Key = (Bytes, Bytes, Arc<[u8]>);

/// The prepared statements of a session.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<Key, Arc<Prepared>>,
    /// How many names were given out.
    named: u64,
    /// Whether the schema has changed since: what was prepared before may return something else than it says.
    stale: bool,
}

impl Cache {
    /// A name for a statement, on the server.
    pub(crate) fn name(&mut self) -> Box<[u8]> {
        self.named += 1;
        format!("heirloom_s{}", self.named).into_bytes().into()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Prepared>> {
        self.entries.get(key).filter(|_| !self.stale).cloned()
    }

    /// Keeps a statement that the server has accepted.
    pub(crate) fn insert(&mut self, key: Key, prepared: Arc<Prepared>) {
        if !self.stale {
            // Not as parts of the frames they came in, which would be kept with them.
            let (sql, types, settings) = key;
            let copy = |part: &Bytes| Bytes::copy_from_slice(part);
            let key = (copy(&sql), copy(&types), settings);
            self.entries.insert(key, prepared);
        }
    }

    /// Whether new statements may be kept.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.stale
    }

    /// From here on everybody prepares anew, as on connections of their own.
    pub(crate) fn schema_has_changed(&mut self) {
        self.stale = true;
    }

    /// Forgets everything, if it has to; whether it has.
    pub(crate) fn is_forgotten(&mut self) -> bool {
        let forget = self.stale || self.entries.len() > MOST;
        if forget {
            *self = Self {
                named: self.named,
                ..Self::default()
            };
        }
        forget
    }
}
