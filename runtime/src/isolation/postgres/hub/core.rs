//! What whoever's turn it is has in hand.

use crate::isolation::postgres::session::Session;
use crate::isolation::postgres::settings::Settings;
use crate::isolation::postgres::stack::{ClientId, Stack};
use std::collections::HashMap;

/// The session and what stands in it.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) session: Session,
    pub(super) stack: Stack,
    /// What a server would have done otherwise: fails the test.
    pub(super) journal: Vec<String>,
    /// Transactions that ended because one below them did: whose they were, why, and what had been set before them.
    pub(super) ended: HashMap<ClientId, (String, Settings)>,
    /// Names of prepared statements in SQL, and which connection has them.
    pub(super) names: HashMap<Box<[u8]>, ClientId>,
}

impl Core {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            stack: Stack::default(),
            journal: Vec::new(),
            ended: HashMap::new(),
            names: HashMap::new(),
        }
    }
}
