//! What BEGIN, COMMIT and ROLLBACK are in a transaction that never ends.

use super::{Batch, Lost, push};
use crate::isolation::postgres::frame::{Server, Status, Target, to_server};
use crate::isolation::postgres::sql::Modes;
use crate::isolation::postgres::stack::{Guard, Mark, Open, Savepoint};
use bytes::BytesMut;

/// The constraints that are deferred unless somebody says otherwise, as `SET CONSTRAINTS` takes them.
const DEFERRED: &str = "SELECT string_agg(DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), ',') \
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred";

impl Batch<'_> {
    /// Opens the connection's transaction.
    pub(super) async fn begin(&mut self, modes: Modes) -> Result<(), Lost> {
        let deferred = self.deferred().await?;
        let mut sql = Vec::new();
        // What stands before it in the string is part of it.
        let (savepoint, (applied, settings)) = match self.core.stack.guard {
            Guard::Fresh(own @ Savepoint::Own(_)) | Guard::Used(own @ Savepoint::Own(_))
                if self.implicit && self.guarded =>
            {
                self.core.stack.guard = Guard::None;
                (own, (self.before.clone(), self.before.clone()))
            }
            _ => {
                let own = self.own_savepoint(&mut sql);
                let settings = self.client.settings.clone();
                (own, (settings.clone(), settings))
            }
        };
        self.guarded = false;
        let id = self.client.id;
        let open = self.core.stack.begin(id, savepoint, applied, settings);
        open.modes = modes;
        open.deferring = !deferred.is_empty();
        if !deferred.is_empty() && !self.deferring {
            push(&mut sql, format!("SET CONSTRAINTS {deferred} DEFERRED"));
        }
        self.deferring = false;
        if modes.read_only == Some(true) {
            push(&mut sql, "SET TRANSACTION READ ONLY");
        }
        if !sql.is_empty() {
            self.core.session.internal(sql);
        }
        self.client.status = Status::Open;
        Ok(())
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

    /// Those that are deferred initially, read once per session and again when the schema has changed.
    pub(super) async fn deferred(&mut self) -> Result<String, Lost> {
        if let Some(known) = &self.core.session.deferred {
            return Ok(known.clone());
        }
        self.enter();
        self.core.session.query(DEFERRED.as_bytes());
        let mut deferred = String::new();
        loop {
            let frame = self.next().await?;
            let view = frame.view();
            match view.tag() {
                b'Z' => break,
                // One column: its count, its length, its text.
                b'D' => {
                    let text = view.body().get(6..).unwrap_or_default();
                    deferred = String::from_utf8_lossy(text).into_owned();
                }
                b'E' => {
                    let what = "it does not list its constraints".to_owned();
                    return Err(Lost::Protocol(what));
                }
                _ => {}
            }
        }
        self.core.session.deferred = Some(deferred.clone());
        Ok(deferred)
    }

    /// Several statements in one string are a transaction: constraints are looked at when it ends.
    pub(super) async fn defer_if_implicit(&mut self) -> Result<(), Lost> {
        if !self.implicit || self.in_block() || self.deferring {
            return Ok(());
        }
        let deferred = self.deferred().await?;
        if !deferred.is_empty() {
            self.enter();
            let sql = format!("SET CONSTRAINTS {deferred} DEFERRED");
            self.core.session.internal(sql.into_bytes());
            self.deferring = true;
        }
        Ok(())
    }

    /// Looks at the constraints that were put off; whether they hold.
    pub(super) async fn constraints_hold(&mut self) -> Result<bool, Lost> {
        self.core.session.query(b"SET CONSTRAINTS ALL IMMEDIATE");
        let mut hold = true;
        loop {
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => return Ok(hold),
                b'E' => {
                    hold = false;
                    self.server_error(&frame);
                }
                b'N' => self.pass(&frame),
                _ => {}
            }
        }
    }

    /// At the end of statements that make a transaction of their own. The last of them has said already that it was
    /// done, which is taken back if it was not.
    pub(super) async fn check_deferred(&mut self) -> Result<(), Lost> {
        let answered = self.client.out.split();
        self.deferring = false;
        let hold = self.constraints_hold().await?;
        let said = std::mem::replace(&mut self.client.out, answered);
        if !hold {
            let kept = without_last_tag(&self.client.out);
            self.client.out.truncate(kept);
            self.heal();
        }
        self.client.out.unsplit(said);
        Ok(())
    }

    /// COMMIT of an open transaction; whether it was not rolled back instead.
    pub(super) async fn commit(&mut self) -> Result<bool, Lost> {
        let id = self.client.id;
        let deferring = self.core.stack.of(id).is_some_and(|open| open.deferring);
        if !self.is_top() {
            self.enter();
        }
        if deferring && !self.constraints_hold().await? {
            self.roll_back();
            return Ok(false);
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
        self.defer_again();
        self.apply_channels(&channels);
        self.notify(notices);
        Ok(true)
    }

    /// What the transaction below had put off is put off again.
    fn defer_again(&mut self) {
        let deferring = self.core.stack.top().is_some_and(|open| open.deferring);
        if let (true, Some(deferred)) = (deferring, &self.core.session.deferred) {
            let sql = format!("SET CONSTRAINTS {deferred} DEFERRED");
            self.core.session.internal(sql.into_bytes());
        }
    }

    /// By frames that do not fail if it is closed already.
    fn close_cursors(&mut self, cursors: &[Box<[u8]>]) {
        let portals = self.client.portals.drain().map(|(name, _)| name);
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
        self.client.status = Status::Idle;
        self.client.portals.clear();
        self.guarded = false;
        let Some((own, above)) = self.core.stack.take(id) else {
            // It has ended before, with another.
            if let Some((_, settings)) = self.core.ended.remove(&id) {
                self.client.settings = settings;
            }
            return;
        };
        self.end_those(above);
        self.roll_back_to(own.savepoint.to_string().into_bytes());
        self.core.stack.guard = Guard::Fresh(own.savepoint);
        let beginning = &own.marks[0];
        self.undone(beginning);
        self.restore(&beginning.applied, &beginning.settings);
        self.core.stack.settle();
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
        let savepoint = if last == 0 {
            own.to_string().into_bytes()
        } else {
            quoted(&mark.name)
        };
        self.roll_back_to(savepoint);
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

/// How long the frames are without the last one that says what was done.
fn without_last_tag(frames: &[u8]) -> usize {
    use crate::isolation::postgres::frame::{Lexer, Side};
    let mut views = Lexer::new(Side::Server, usize::MAX).views(frames);
    let (mut before, mut found) = (0, frames.len());
    while let Some(Ok(view)) = views.next() {
        if matches!(Server::read(view), Ok(Server::CommandComplete(_))) {
            found = before;
        }
        before = views.read();
    }
    found
}
