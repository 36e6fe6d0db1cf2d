//! Statements that are about transactions, or about what connections do not share.

use super::report::ADVICE;
use super::{Batch, Lost};
use crate::isolation::postgres::frame::{Oids, to_client};
use crate::isolation::postgres::hub::client::Portal;
use crate::isolation::postgres::sql::{Discarded, Kind, Modes, Name};
use crate::isolation::postgres::stack::Guard;
use bytes::BytesMut;

impl Batch<'_> {
    /// Carries out a statement that cannot just be sent; in a failed transaction only one that ends it.
    pub(super) async fn control(&mut self, kind: &Kind, sql: &[u8]) -> Result<(), Lost> {
        self.runs(kind);
        match kind {
            Kind::Begin(modes) => self.begin_block(*modes, sql).await,
            Kind::Commit { chain } => self.commit_block(*chain).await,
            Kind::Rollback { chain } => self.roll_back_block(*chain).await,
            Kind::Savepoint(name) => self.savepoint(name, sql).await,
            Kind::Release(name) => self.release(name, sql).await,
            Kind::RollbackTo(name) => self.roll_back_to_savepoint(name).await,
            Kind::PrepareTransaction(_) => self.barred("PREPARE TRANSACTION").await,
            Kind::SetTransaction(modes) => self.set_transaction(*modes).await,
            Kind::SetCharacteristics(modes) => self.set_characteristics(*modes, sql).await,
            Kind::SetConstraints(_) => self.set_constraints(sql).await,
            Kind::Set(setting) => self.set(setting, sql).await,
            Kind::Reset(name) => self.reset(name.as_ref(), sql).await,
            Kind::Prepare(name) => self.prepare(name, sql).await,
            Kind::Execute(name) => self.execute(name, sql).await,
            Kind::Deallocate(name) => self.deallocate(name.as_ref()).await,
            Kind::Declare { hold, .. } if !hold && !self.in_any_block() => {
                // What is wrong with its query is said first.
                if self.is_sound(sql, Oids::NONE).await? {
                    self.not_in_a_block("DECLARE CURSOR").await?;
                }
                Ok(())
            }
            Kind::Lock if !self.in_any_block() => self.not_in_a_block("LOCK TABLE").await,
            kind => match kind.barred() {
                Some(what) => self.barred(what).await,
                None => self.passed(kind, sql).await,
            },
        }
    }

    /// Of its own, or one that the string makes.
    pub(super) fn in_any_block(&self) -> bool {
        self.in_block() || self.implicit
    }

    async fn passed(&mut self, kind: &Kind, sql: &[u8]) -> Result<(), Lost> {
        if self.run(sql).await? {
            self.took_effect(kind);
        }
        Ok(())
    }

    /// What is to be known of a statement that was sent as it is.
    pub(super) fn took_effect(&mut self, kind: &Kind) {
        let channel = |name: &Name| Some(name.as_bytes().into());
        match kind {
            Kind::Listen(name) => self.listens(channel(name), true),
            Kind::Unlisten(name) => self.listens(name.as_ref().and_then(channel), false),
            Kind::Notify { channel, payload } => {
                let notice = (channel.as_bytes().into(), payload.clone());
                match self.core.stack.of(self.client.id) {
                    Some(open) => open.notices.push(notice),
                    None => self.notices.push(notice),
                }
            }
            Kind::Declare { cursor, hold: true } => {
                let belongings = &mut self.core.belongings;
                belongings.cursor(self.client.id, cursor.as_bytes());
            }
            Kind::Close(name) => self.closed(name.as_ref()),
            Kind::Temporary { table, at_commit } => self.made_temporary(table, *at_commit),
            Kind::Configure(calls) => self.configured(calls),
            Kind::Declare {
                cursor,
                hold: false,
            } => {
                let name = cursor.as_bytes().into();
                match self.core.stack.of(self.client.id) {
                    Some(open) => open.cursors.push(name),
                    None => self.cursors.push(name),
                }
            }
            // Sequences' last values are the session's.
            Kind::Discard(Discarded::Temporary) => self.core.session.schema_has_changed(),
            _ => {}
        }
    }

    /// Cursors, and portals that frames have made: in SQL they are the same.
    fn closed(&mut self, name: Option<&Name>) {
        let stays = |other: &[u8]| name.is_some_and(|name| name.as_bytes() != other);
        self.client.portals.retain(|other, _| stays(other));
        let cursors = match self.core.stack.of(self.client.id) {
            Some(open) => &mut open.cursors,
            None => &mut self.cursors,
        };
        cursors.retain(|other| stays(other));
        let name = name.map(Name::as_bytes);
        self.core.belongings.cursor_closed(self.client.id, name);
    }

    fn listens(&mut self, channel: Option<Box<[u8]>>, on: bool) {
        match self.core.stack.of(self.client.id) {
            Some(open) => open.channels.push((channel, on)),
            None => self.channels.push((channel, on)),
        }
    }

    /// What was notified by statements that were a transaction of their own is heard from here on.
    pub(super) fn publish(&mut self) {
        let channels = std::mem::take(&mut self.channels);
        self.apply_channels(&channels);
        let notices = std::mem::take(&mut self.notices);
        self.notify(notices);
    }

    pub(super) fn apply_channels(&mut self, channels: &[(Option<Box<[u8]>>, bool)]) {
        for (channel, on) in channels {
            self.client.mailbox.listen(channel.as_deref(), *on);
        }
    }

    /// Sends what a transaction notified, each only once.
    pub(super) fn notify(&mut self, notices: Vec<(Box<[u8]>, Vec<u8>)>) {
        let mut sent = Vec::new();
        for notice in notices {
            if !sent.contains(&notice) {
                self.shared.notify(&notice);
                sent.push(notice);
            }
        }
    }

    pub(super) fn done(&mut self, tag: &str) {
        to_client::command_complete(self.out(), tag);
        if self.holding && self.deferring && !self.in_block() {
            let mut held = BytesMut::new();
            to_client::command_complete(&mut held, tag);
            let kept = self.client.out.len() - held.len();
            self.client.out.truncate(kept);
            self.held = Some(held);
        }
    }

    async fn begin_block(&mut self, modes: Modes, sql: &[u8]) -> Result<(), Lost> {
        if self.in_block() {
            self.warn("25001", "there is already a transaction in progress");
            if let Some(why) = self.refused_modes(modes) {
                return self.error("25001", why, None).await;
            }
            self.change_modes(modes);
        } else if !self.begin(modes).await? {
            return Ok(());
        }
        let is_start = sql.first().is_some_and(|first| first | 0x20 == b's');
        self.done(if is_start {
            "START TRANSACTION"
        } else {
            "BEGIN"
        });
        Ok(())
    }

    async fn commit_block(&mut self, chain: bool) -> Result<(), Lost> {
        if !self.in_block() {
            return self.end_nothing("COMMIT", chain).await;
        }
        let modes = self.chained_modes();
        let mut tag = "ROLLBACK";
        if self.is_doomed() {
            self.roll_back();
        } else if self.commit().await? {
            tag = "COMMIT";
        } else {
            // The error is said already.
            return Ok(());
        }
        self.begins_anew();
        if chain {
            self.begin(modes).await?;
        }
        self.done(tag);
        Ok(())
    }

    async fn roll_back_block(&mut self, chain: bool) -> Result<(), Lost> {
        if !self.in_block() {
            return self.end_nothing("ROLLBACK", chain).await;
        }
        let modes = self.chained_modes();
        self.roll_back();
        self.begins_anew();
        if chain {
            self.begin(modes).await?;
        }
        self.done("ROLLBACK");
        Ok(())
    }

    /// COMMIT or ROLLBACK where no block is open: what the string has done so far is kept, or not.
    async fn end_nothing(&mut self, what: &str, chain: bool) -> Result<(), Lost> {
        if chain {
            return self.not_in_a_block(&format!("{what} AND CHAIN")).await;
        }
        self.warn("25P01", "there is no transaction in progress");
        if (self.implicit || self.pipeline) && self.guarded {
            if what == "COMMIT" {
                if self.deferring {
                    // It has come before the warning.
                    self.out();
                    self.check_deferred().await?;
                }
                if self.failed {
                    return Ok(());
                }
                self.keep();
                let locals = std::mem::take(&mut self.locals);
                self.unset_locals(&locals);
                self.publish();
                self.end_temporaries();
            } else {
                self.heal();
            }
            self.begins_anew();
        }
        let cursors = std::mem::take(&mut self.cursors);
        self.close_cursors(&cursors);
        self.done(what);
        Ok(())
    }

    async fn savepoint(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        if !self.in_block() {
            return self.not_in_a_block("SAVEPOINT").await;
        }
        if !self.is_top() {
            // It would go with the younger transaction, whatever becomes of this one.
            let message =
                "SAVEPOINT in a transaction within which another connection has begun one";
            return self.error("0A000", message, Some(ADVICE)).await;
        }
        if self.run(sql).await? {
            let before = self.present();
            let id = self.client.id;
            self.core.stack.save(id, name.as_bytes(), before);
        }
        Ok(())
    }

    async fn release(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        if !self.in_block() {
            return self.not_in_a_block("RELEASE SAVEPOINT").await;
        }
        let Some(at) = self.core.stack.find(self.client.id, name.as_bytes()) else {
            return self.no_savepoint(name).await;
        };
        // Younger transactions of others stand on it.
        let is_buried = !self.is_top();
        if is_buried {
            self.done("RELEASE");
        }
        if (is_buried || self.run(sql).await?)
            && let Some(open) = self.core.stack.of(self.client.id)
        {
            open.modes = open.marks[at].modes;
            open.marks.truncate(at);
        }
        Ok(())
    }

    async fn no_savepoint(&mut self, name: &Name) -> Result<(), Lost> {
        let message = format!("savepoint \"{name}\" does not exist");
        self.error("3B001", &message, None).await
    }

    async fn roll_back_to_savepoint(&mut self, name: &Name) -> Result<(), Lost> {
        if !self.in_block() {
            return self.not_in_a_block("ROLLBACK TO SAVEPOINT").await;
        }
        let id = self.client.id;
        let Some(at) = self.core.stack.find(id, name.as_bytes()) else {
            return self.no_savepoint(name).await;
        };
        self.skip_portals();
        let above = self.core.stack.take_above(id);
        if let Some(lowest) = above.last() {
            // Savepoints of theirs may have the same name.
            let lowest = lowest.savepoint;
            self.roll_back_to(format!("{lowest};RELEASE {lowest}").into_bytes());
        }
        self.end_those(above);
        let Some(open) = self.core.stack.of(id) else {
            return Ok(());
        };
        let mark = open.marks[at].clone();
        open.marks.truncate(at + 1);
        open.cursors.truncate(mark.cursors);
        open.notices.truncate(mark.notices);
        open.channels.truncate(mark.channels);
        self.unsettled |= open.locals.len() > mark.locals;
        open.locals.truncate(mark.locals);
        open.modes = mark.modes;
        self.client.temporaries.truncate(mark.temporaries);
        self.roll_back_to(name.in_quotes());
        self.core.stack.guard = Guard::None;
        self.guarded = false;
        // One of ours is younger than the savepoint, too: a query that sets one ends it.
        let stays = |portal: &Portal| portal.number <= mark.portals && !portal.is_ours;
        self.client.portals.retain(|_, portal| stays(portal));
        self.undone(&mark);
        self.restore(&mark.applied, &mark.settings);
        self.client.status = super::Status::Open;
        self.done("ROLLBACK");
        Ok(())
    }

    async fn set_constraints(&mut self, sql: &[u8]) -> Result<(), Lost> {
        if self.in_any_block() {
            self.run(sql).await?;
            if let Some(open) = self.core.stack.of(self.client.id) {
                open.deferring = true;
            } else {
                self.deferring = true;
            }
            return Ok(());
        }
        self.warn(
            "25P01",
            "SET CONSTRAINTS can only be used in transaction blocks",
        );
        // It holds until what it is in has ended, which is soon.
        self.deferring = self.run(sql).await?;
        Ok(())
    }
}
