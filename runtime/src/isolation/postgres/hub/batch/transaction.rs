//! What BEGIN, COMMIT and ROLLBACK are in a transaction that never ends.

use super::{Batch, Lost, push};
use crate::isolation::postgres::frame::{Status, Target, to_server};
use crate::isolation::postgres::sql::Modes;
use crate::isolation::postgres::stack::{Before, Guard, Mark, Open, Savepoint};
use bytes::BytesMut;

impl Batch<'_> {
    /// Opens the connection's transaction, unless its modes come too late.
    pub(super) async fn begin(&mut self, modes: Modes) -> Result<bool, Lost> {
        if let Some(why) = self.refused_modes(modes) {
            self.error("25001", why, None).await?;
            return Ok(false);
        }
        let usual = self.present_modes();
        let modes = Modes {
            isolation: modes.isolation.or(usual.isolation),
            read_only: modes.read_only.or(usual.read_only),
            deferrable: modes.deferrable,
        };
        let deferred = self.deferred().await?;
        let mut sql = Vec::new();
        // What stands before it in the string is part of it.
        let joins = (self.implicit || self.pipeline) && self.guarded;
        let (savepoint, before) = match self.core.stack.guard {
            Guard::Fresh(own) | Guard::Used(own) if joins => {
                self.core.stack.guard = Guard::None;
                let before = Before {
                    applied: self.before.clone(),
                    settings: self.before.clone(),
                    temporaries: self.temporaries,
                    portals: 0,
                };
                (own, before)
            }
            _ => {
                let own = self.own_savepoint(&mut sql);
                (own, self.present())
            }
        };
        self.guarded = false;
        let id = self.client.id;
        let ran = joins && self.ran;
        let open = self.core.stack.begin(id, savepoint, modes, before);
        open.ran = ran;
        open.cursors = std::mem::take(&mut self.cursors);
        open.locals = std::mem::take(&mut self.locals);
        open.notices = std::mem::take(&mut self.notices);
        open.channels = std::mem::take(&mut self.channels);
        open.deferring = !deferred.is_empty();
        open.deferred = deferred;
        if open.deferring && !self.deferring {
            push(&mut sql, self.defer_all());
        }
        self.deferring = false;
        if modes.read_only == Some(true) {
            push(&mut sql, "SET TRANSACTION READ ONLY");
        }
        if !sql.is_empty() {
            self.core.session.internal(sql);
        }
        self.client.status = Status::Open;
        Ok(true)
    }

    /// A savepoint that a transaction stands on, and before it the connection's settings.
    fn own_savepoint(&mut self, sql: &mut Vec<u8>) -> Savepoint {
        let guard = std::mem::take(&mut self.core.stack.guard);
        if let Guard::Fresh(savepoint) | Guard::Used(savepoint) = guard {
            push(sql, format!("RELEASE {savepoint}"));
        }
        let settings = self
            .core
            .session
            .applied
            .statements_to(&self.client.settings);
        if !settings.is_empty() {
            self.unsettled = true;
            self.core.session.applied = self.client.settings.clone();
        }
        for setting in settings {
            push(sql, setting);
        }
        let own = self.core.stack.next_savepoint();
        push(sql, format!("SAVEPOINT {own}"));
        own
    }

    /// COMMIT of an open transaction; whether it was not rolled back instead.
    pub(super) async fn commit(&mut self) -> Result<bool, Lost> {
        let id = self.client.id;
        let deferring = self.core.stack.of(id).is_some_and(|open| open.deferring);
        if !self.is_top() {
            self.enter();
        }
        if deferring {
            self.ask_constraints();
            if !self.constraints_hold().await? {
                self.roll_back();
                return Ok(false);
            }
        }
        let Some(open) = self.core.stack.of(id) else {
            return Ok(false);
        };
        let cursors = std::mem::take(&mut open.cursors);
        let locals = std::mem::take(&mut open.locals);
        let notices = std::mem::take(&mut open.notices);
        let channels = std::mem::take(&mut open.channels);
        open.committed = true;
        self.core.stack.settle();
        self.guarded = false;
        self.client.status = Status::Idle;
        self.close_cursors(&cursors);
        self.unset_locals(&locals);
        self.end_temporaries();
        self.defer_again();
        self.apply_channels(&channels);
        self.notify(notices);
        Ok(true)
    }

    /// By frames that do not fail if it is closed already.
    pub(super) fn close_cursors(&mut self, cursors: &[Box<[u8]>]) {
        let portals = self.client.portals.drain();
        let portals = portals.filter_map(|(name, portal)| (!portal.is_ours).then_some(name));
        let all: Vec<_> = portals.chain(cursors.iter().cloned()).collect();
        if all.is_empty() {
            return;
        }
        let mut frames = BytesMut::new();
        for name in &all {
            to_server::close(&mut frames, Target::Portal(name));
        }
        self.core.session.internal_frames(&frames);
    }

    /// ROLLBACK of the connection's transaction, and with it of those that were begun after it.
    pub(super) fn roll_back(&mut self) {
        let id = self.client.id;
        self.skip_portals();
        self.client.status = Status::Idle;
        self.client.portals.clear();
        self.guarded = false;
        let Some((own, above)) = self.core.stack.take(id) else {
            // It has ended before, with another.
            if let Some((_, settings)) = self.core.ended.remove(&id)
                && !self.client.settings.is(&settings)
            {
                // The client is told of it by what the server makes of it.
                self.client.settings = settings;
                self.enter();
                self.unsettled = true;
            }
            return;
        };
        self.end_those(above);
        self.unsettled |= !own.locals.is_empty();
        self.roll_back_to(own.savepoint.to_string().into_bytes());
        self.core.stack.guard = Guard::Fresh(own.savepoint);
        let beginning = &own.marks[0];
        self.client.temporaries.truncate(beginning.temporaries);
        self.undone(beginning);
        self.restore(&beginning.applied, &beginning.settings);
        self.core.stack.settle();
        self.forget_constraints();
        self.defer_again();
    }

    /// Transactions that were begun after one which is rolled back.
    pub(super) fn end_those(&mut self, above: Vec<Open>) {
        for open in above.into_iter().filter(|open| !open.committed) {
            let (id, who) = (self.client.id, open.client);
            let why = format!(
                "this transaction of connection {who} was rolled back, because connection {id} rolled back its own, which it began before\n  in a test all connections share one session, in which transactions stand within each other"
            );
            self.core.journal.push(format!(
                "the transaction of connection {who} was rolled back with that of connection {id}, which was begun before it and ended first; a server would have kept it"
            ));
            let settings = open.marks[0].settings.clone();
            self.core.ended.insert(who, (why, settings));
        }
    }

    /// What went with a rollback, though a server would have kept it.
    pub(super) fn undone(&mut self, since: &Mark) {
        let id = self.client.id;
        for (who, what) in self.core.stack.undone(id, since) {
            self.core.journal.push(format!(
                "`{what}` of connection {who} was undone by a rollback of connection {id}, in whose open transaction it ran; a server would have kept it"
            ));
        }
    }

    /// A statement has failed in the transaction: back to its youngest savepoint. What is lost by that is lost anyway.
    pub(super) fn heal_transaction(&mut self) {
        let Some(open) = self.core.stack.of(self.client.id) else {
            return;
        };
        let (own, last) = (open.savepoint, open.marks.len() - 1);
        let mark = open.marks[last].clone();
        open.modes = mark.modes;
        let savepoint = if last == 0 {
            own.to_string().into_bytes()
        } else {
            quoted(&mark.name)
        };
        self.roll_back_to(savepoint);
        // It stood above that.
        self.core.stack.guard = Guard::None;
        self.undone(&mark);
        self.restore(&mark.applied, &mark.settings);
    }

    /// If the connection's transaction was ended by another's, it has failed.
    pub(super) fn notice_end(&mut self) {
        if self.core.ended.contains_key(&self.client.id) {
            self.client.status = Status::Failed;
        }
    }
}

/// A name in quotes.
pub(super) fn quoted(name: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in name {
        quoted.extend(std::iter::repeat_n(byte, 1 + usize::from(byte == b'"')));
    }
    quoted.push(b'"');
    quoted
}
