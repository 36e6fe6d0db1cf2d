//! What connections leave in the session, which a server would tidy up when they are closed.

use crate::isolation::postgres::frame::{Target, to_server};
use crate::isolation::postgres::session::Session;
use crate::isolation::postgres::stack::ClientId;
use bytes::BytesMut;
use std::collections::{HashMap, HashSet};

/// By connection.
#[derive(Debug, Default)]
pub(super) struct Belongings(HashMap<ClientId, Own>);

#[derive(Debug, Default)]
struct Own {
    /// Whether it may have made temporary objects.
    temporary: bool,
    /// Prepared statements that only it uses, by their names on the server.
    statements: HashSet<Box<[u8]>>,
    /// Cursors that outlive their transactions.
    cursors: HashSet<Box<[u8]>>,
}

impl Belongings {
    fn of(&mut self, client: ClientId) -> &mut Own {
        self.0.entry(client).or_default()
    }

    pub(super) fn temporary(&mut self, client: ClientId) {
        self.of(client).temporary = true;
    }

    pub(super) fn statement(&mut self, client: ClientId, name: &[u8]) {
        self.of(client).statements.insert(name.into());
    }

    pub(super) fn freed(&mut self, client: ClientId, name: &[u8]) {
        if let Some(own) = self.0.get_mut(&client) {
            own.statements.remove(name);
        }
    }

    pub(super) fn cursor(&mut self, client: ClientId, name: &[u8]) {
        self.of(client).cursors.insert(name.into());
    }

    pub(super) fn has_cursor(&self, client: ClientId, name: &[u8]) -> bool {
        let own = self.0.get(&client);
        own.is_some_and(|own| own.cursors.contains(name))
    }

    /// `None` is all.
    pub(super) fn cursor_closed(&mut self, client: ClientId, name: Option<&[u8]>) {
        if let Some(own) = self.0.get_mut(&client) {
            own.cursors
                .retain(|other| name.is_some_and(|name| **other != *name));
        }
    }

    /// Tidies up after a connection; whether something is done to the session that a rollback would revert.
    pub(super) fn leave(&mut self, client: ClientId, session: &mut Session) -> bool {
        let Some(own) = self.0.remove(&client) else {
            return false;
        };
        let mut frames = BytesMut::new();
        for name in &own.cursors {
            to_server::close(&mut frames, Target::Portal(name));
        }
        for name in &own.statements {
            to_server::close(&mut frames, Target::Statement(name));
        }
        if !frames.is_empty() {
            session.internal_frames(&frames);
        }
        // Whose they are, the server does not know: as long as one is left that has some, all stay.
        let discard = own.temporary && !self.0.values().any(|other| other.temporary);
        if discard {
            session.internal(b"DISCARD TEMP".to_vec());
            session.schema_has_changed();
        }
        discard
    }
}
