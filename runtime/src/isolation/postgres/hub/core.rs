//! What whoever's turn it is has in hand.

use super::belongings::Belongings;
use crate::isolation::postgres::session::Session;
use crate::isolation::postgres::settings::Settings;
use crate::isolation::postgres::stack::{ClientId, Guard, Stack};
use std::collections::HashMap;
use std::io;

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
    pub(super) belongings: Belongings,
}

impl Core {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            stack: Stack::default(),
            journal: Vec::new(),
            ended: HashMap::new(),
            names: HashMap::new(),
            belongings: Belongings::default(),
        }
    }

    /// Moves the session to the current runtime, on which whoever has it waits.
    pub(super) fn rehome(self) -> io::Result<Self> {
        let session = self.session.rehome()?;
        Ok(Self { session, ..self })
    }

    /// A client has gone: its transaction is rolled back, and what it leaves is tidied up.
    pub(super) fn abandon(&mut self, client: ClientId) {
        self.ended.remove(&client);
        self.names.retain(|_, who| *who != client);
        self.end_transaction(client);
        if self.session.is_at_rest() && self.belongings.leave(client, &mut self.session) {
            self.stack.guard = match self.stack.guard {
                Guard::Fresh(number) => Guard::Used(number),
                other => other,
            };
        }
        self.session.send_now();
    }

    fn end_transaction(&mut self, client: ClientId) {
        let Some((own, above)) = self.stack.take(client) else {
            return;
        };
        for open in above.into_iter().filter(|open| !open.committed) {
            let who = open.client;
            self.journal.push(format!("the transaction of connection {who} was rolled back with that of connection {client}, which was begun before it and was closed; a server would have kept it"));
            let why = format!(
                "this transaction of connection {who} was rolled back, because connection {client}, which began its own before it, was closed"
            );
            self.ended
                .insert(who, (why, open.marks[0].settings.clone()));
        }
        for (who, what) in self.stack.undone(client, &own.marks[0]) {
            self.journal.push(format!("`{what}` of connection {who} was undone when connection {client} was closed, in whose open transaction it ran; a server would have kept it"));
        }
        if self.session.is_at_rest() {
            let savepoint = own.savepoint;
            self.session
                .internal(format!("ROLLBACK TO {savepoint}").into_bytes());
        }
        self.session.applied = own.marks[0].applied.clone();
        self.stack.guard = Guard::Fresh(own.savepoint);
        self.stack.settle();
    }
}
