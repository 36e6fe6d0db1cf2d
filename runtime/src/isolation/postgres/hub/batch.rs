//! What one connection asks for at a time, a query or what stands before a Sync, and what becomes of it in the one
//! session: statements pass as they are, and those that are about transactions are replaced by savepoints.

mod answer;
mod constraints;
mod control;
mod copy;
mod extended;
mod failed;
mod modes;
mod names;
mod report;
mod settings;
mod simple;
mod step;
mod temporary;
mod transaction;

pub(super) use extended::Ended;
pub(super) use report::ADVICE;

use super::cancels::AGAIN;
use super::client::Client;
use super::core::Core;
use super::mailbox::Notification;
use super::{Shared, client};
use crate::isolation::postgres::background;
use crate::isolation::postgres::frame::{Frame, Status, to_client};
use crate::isolation::postgres::session::{Deferred, Lost};
use crate::isolation::postgres::settings::Settings;
use crate::isolation::postgres::sql::{Kind, Modes};
use crate::isolation::postgres::stack::{Before, Guard, Savepoint};
use bytes::BytesMut;
use std::collections::VecDeque;
use step::Step;

/// How much may be waiting for a client that does not read, in bytes. Then its statement is stopped.
const UNREAD: usize = 256 * 1024 * 1024;

/// From here on it is tried to send before the answer is complete.
const CHUNK: usize = 32 * 1024;

/// A name on the server, and the client's.
type Names = (Box<[u8]>, Box<[u8]>);

/// One turn of a connection.
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are about different things, and all of them may hold at once"
)]
pub(super) struct Batch<'a> {
    shared: &'a Shared,
    core: &'a mut Core,
    client: &'a mut Client,
    /// Whether a statement has failed: what follows is left out.
    failed: bool,
    /// Whether the session is as this connection wants it, and a savepoint before it.
    guarded: bool,
    /// Whether the statements of one string make a transaction of their own.
    implicit: bool,
    /// Whether constraints were deferred for statements that make a transaction of their own.
    deferring: bool,
    /// What the connection had set before.
    before: Settings,
    /// Settings that hold for the statements of one string.
    locals: Vec<(Box<[u8]>, Vec<u8>)>,
    /// Whether frames of the extended protocol are being run: without a transaction block they are one together.
    pipeline: bool,
    /// Whether settings are on their way that the connection has to be told.
    unsettled: bool,
    /// Whether the client has hung up.
    gone: bool,
    /// Whether it does not read what it asked for.
    overflowing: bool,
    /// What the server is going to answer, in the extended protocol.
    steps: VecDeque<Step>,
    /// The statement that the server's error is about: its name there, and the client's.
    naming: Option<Names>,
    /// Where a name ends that is longer on the server, in its statement, and by how much: positions behind it are moved.
    shift: Option<(usize, usize)>,
    /// Whether that is where a prepared statement is executed.
    executing: bool,
    /// The portal that is being run.
    running: Option<Box<[u8]>>,
    /// Whether the server was asked something that the client knows nothing of.
    asking: bool,
    /// A frame that was read too early.
    early: Option<Frame>,
    /// What says that a statement was done, as long as constraints may have something against it.
    held: Option<BytesMut>,
    /// Whether what is said that a statement was done is held back.
    holding: bool,
    /// Whether the server was asked already whether constraints hold.
    checking: bool,
    /// Those of whose deferral the server knows.
    known: Deferred,
    /// Whether a query was run since the batch, or a transaction that it ended in between, began.
    ran: bool,
    /// Whether constraints are to be deferred before a query is run, as the role may not be allowed to later.
    early_deferral: bool,
    /// Cursors that were declared since then, outside of a transaction block.
    cursors: Vec<Box<[u8]>>,
    /// What was notified since then, and channels listened to from its end on, or no more.
    notices: Vec<Notification>,
    channels: Vec<(Option<Box<[u8]>>, bool)>,
    /// What the transaction may do that it is, if that was said.
    modes: Option<Modes>,
    /// How much had been said of temporary tables then.
    temporaries: usize,
    /// Settings whose values are to be asked for, as only the server knows what they were set to.
    unknown: Vec<Vec<u8>>,
    /// Whether the server said that something is there already, and was left as it is.
    skipped: bool,
    /// Characters before the statement that is being run, in the string it is from.
    offset: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(shared: &'a Shared, core: &'a mut Core, client: &'a mut Client) -> Self {
        let before = client.settings.clone();
        let temporaries = client.temporaries.len();
        Self {
            shared,
            core,
            client,
            failed: false,
            guarded: false,
            implicit: false,
            deferring: false,
            before,
            locals: Vec::new(),
            pipeline: false,
            unsettled: false,
            gone: false,
            overflowing: false,
            steps: VecDeque::new(),
            naming: None,
            shift: None,
            running: None,
            executing: false,
            asking: false,
            early: None,
            held: None,
            holding: false,
            checking: false,
            known: Deferred::default(),
            ran: false,
            early_deferral: false,
            modes: None,
            cursors: Vec::new(),
            notices: Vec::new(),
            channels: Vec::new(),
            temporaries,
            unknown: Vec::new(),
            skipped: false,
            offset: 0,
        }
    }

    /// What the client is sent.
    fn out(&mut self) -> &mut BytesMut {
        if let Some(held) = self.held.take() {
            self.client.out.unsplit(held);
        }
        &mut self.client.out
    }

    /// Whether the connection's own transaction is the one that was opened last.
    fn is_top(&self) -> bool {
        self.core.stack.is_top(self.client.id)
    }

    /// Whether the connection is in a transaction block, maybe a failed one.
    fn in_block(&self) -> bool {
        self.client.status != Status::Idle
    }

    /// Whether what fails now fails a transaction block, or one that a string makes.
    fn is_doomed(&self) -> bool {
        self.client.status == Status::Failed
    }

    /// Gets the session ready: the connection's settings, and a savepoint that a failure goes back to. In front of
    /// the statement, in the same round trip.
    fn enter(&mut self) {
        let is_top = self.is_top();
        if self.guarded && !is_top {
            return;
        }
        let usual = self.is_usual(is_top);
        if usual && self.core.stack.guard == Guard::Used(Savepoint::Usual) {
            self.core.session.renew_guard();
            self.core.stack.guard = Guard::Fresh(Savepoint::Usual);
        } else if !usual || !matches!(self.core.stack.guard, Guard::Fresh(_)) {
            self.enter_otherwise(is_top);
        }
        self.guarded = !is_top;
    }

    /// Whether all that is missing is the usual savepoint.
    fn is_usual(&self, is_top: bool) -> bool {
        let session = &self.core.session;
        !is_top
            && !self.implicit
            && !self.defers()
            && !self.only_reads()
            && !self.core.stack.holds_usual()
            && session.applied.is(&self.client.settings)
    }

    fn enter_otherwise(&mut self, is_top: bool) {
        let settings = self
            .core
            .session
            .applied
            .statements_to(&self.client.settings);
        let mut sql = Vec::new();
        match self.core.stack.guard {
            Guard::Fresh(_) if !is_top && settings.is_empty() && !self.implicit => {}
            Guard::Fresh(savepoint) | Guard::Used(savepoint) => {
                push(&mut sql, format!("RELEASE {savepoint}"));
                self.core.stack.guard = Guard::None;
            }
            Guard::None => {}
        }
        if !settings.is_empty() {
            self.unsettled = true;
            self.core.session.applied = self.client.settings.clone();
        }
        for setting in settings {
            push(&mut sql, setting);
        }
        if !is_top && self.core.stack.guard == Guard::None {
            // A BEGIN in the same string may make it its own.
            let savepoint = if self.implicit || self.core.stack.holds_usual() {
                self.core.stack.next_savepoint()
            } else {
                Savepoint::Usual
            };
            push(&mut sql, format!("SAVEPOINT {savepoint}"));
            self.core.stack.guard = Guard::Fresh(savepoint);
        }
        if !is_top && self.only_reads() {
            push(&mut sql, "SET TRANSACTION READ ONLY");
        }
        if !is_top && self.defers() {
            push(&mut sql, self.defer_all());
            self.deferring = true;
        }
        if !sql.is_empty() {
            self.core.session.internal(sql);
        }
    }

    /// What ran is done for good, as far as this connection goes: there is a savepoint to let go of.
    fn keep(&mut self) {
        if let (true, Guard::Fresh(savepoint)) = (self.guarded, self.core.stack.guard) {
            self.core.stack.guard = Guard::Used(savepoint);
        }
    }

    /// Takes note of a statement that is about to be run.
    fn runs(&mut self, kind: &Kind) {
        self.skipped = false;
        if kind.takes_snapshot() {
            self.ran = true;
            if let Some(open) = self.core.stack.of(self.client.id) {
                open.ran = true;
            }
        }
    }

    /// What holds now, for a savepoint.
    fn present(&self) -> Before {
        Before {
            applied: self.core.session.applied.clone(),
            settings: self.client.settings.clone(),
            temporaries: self.client.temporaries.len(),
            portals: self.client.bound,
        }
    }

    /// From here on another transaction begins.
    fn begins_anew(&mut self) {
        self.guarded = false;
        self.ran = false;
        self.modes = None;
        self.early_deferral = false;
        self.before = self.client.settings.clone();
        self.temporaries = self.client.temporaries.len();
    }

    /// Makes good what a failure has done to the session.
    fn heal(&mut self) {
        let id = self.client.id;
        if self.is_top() {
            // In a transaction that had failed before, others' work may stand by now, and what only we refuse has done
            // nothing to the session.
            if !self.is_doomed() || self.core.session.is_failed() {
                self.heal_transaction();
            }
        } else if let Guard::Fresh(savepoint) | Guard::Used(savepoint) = self.core.stack.guard
            && self.guarded
        {
            self.roll_back_to(savepoint.to_string().into_bytes());
            self.core.stack.guard = Guard::Fresh(savepoint);
            self.restore(&self.before.clone(), &self.before.clone());
            self.client.temporaries.truncate(self.temporaries);
            self.client.portals.clear();
            self.notices.clear();
            self.channels.clear();
            self.cursors.clear();
        }
        if self.core.stack.has(id) {
            self.client.status = Status::Failed;
        }
        self.deferring = false;
        self.checking = false;
        self.forget_constraints();
    }

    fn roll_back_to(&mut self, savepoint: Vec<u8>) {
        let own = self.core.stack.of(self.client.id);
        self.unsettled |= !self.locals.is_empty() || own.is_some_and(|own| !own.locals.is_empty());
        let mut sql = b"ROLLBACK TO ".to_vec();
        sql.extend(savepoint);
        self.core.session.internal(sql);
    }

    /// The settings are again what they were.
    fn restore(&mut self, applied: &Settings, own: &Settings) {
        if !self.core.session.applied.is(applied) {
            self.core.session.applied = applied.clone();
            self.unsettled = true;
        }
        self.client.settings = own.clone();
    }

    /// Ends the turn: tells the client where it stands.
    async fn finish(&mut self) -> Result<(), Lost> {
        self.learn().await?;
        if self.unsettled {
            self.core.session.drain().await?;
            self.unsettled = false;
        }
        self.out();
        if self.core.session.applied.is(&self.client.settings) {
            self.client.tell(self.core.session.parameters());
        }
        if self.client.status == Status::Idle {
            self.deliver();
        }
        let status = self.client.status;
        to_client::ready_for_query(self.out(), status);
        self.core.session.send_now();
        Ok(())
    }

    /// Notifications, which come between transactions.
    fn deliver(&mut self) {
        for (channel, payload) in self.client.mailbox.take() {
            let process = self.core.session.process();
            to_client::notification_response(self.out(), process, &channel, &payload);
        }
    }

    /// The server's next frame. Meanwhile the client is sent what it takes, and watched.
    async fn next(&mut self) -> Result<Frame, Lost> {
        if let Some(frame) = self.early.take() {
            return Ok(frame);
        }
        loop {
            if let Some(frame) = self.core.session.take()? {
                return Ok(frame);
            }
            if self.client.out.len() > CHUNK {
                self.client.send_now();
                self.watch_unread();
            }
            self.fill().await?;
        }
    }

    /// Waits for more from the server, or until the client hangs up. Only meanwhile what runs may be stopped.
    async fn fill(&mut self) -> Result<(), Lost> {
        let (cancels, session) = (&self.shared.cancels, &mut self.core.session);
        // A request is not to be there before what it is to stop.
        session.send_now();
        let is_clients = !self.asking && !session.owes_us();
        let running = is_clients.then(|| cancels.while_running());
        if self.gone || cancels.is_wanted() {
            match background::timeout(AGAIN, session.fill()).await {
                Ok(filled) => filled?,
                Err(_) => cancels.request(),
            }
        } else if let Some(filled) =
            client::unless_gone(self.client, |cx| session.poll_fill(cx)).await
        {
            filled?;
        } else {
            // Nobody waits for it any more. What it has done so far is undone with its failure, or it was done.
            self.gone = true;
            cancels.request();
        }
        drop(running);
        self.shared.cancels_over().await;
        Ok(())
    }

    fn watch_unread(&mut self) {
        if self.client.out.len() > UNREAD && !self.overflowing {
            self.overflowing = true;
            self.shared.cancels.request();
        }
    }
}

/// Appends a statement to others.
fn push(sql: &mut Vec<u8>, statement: impl AsRef<[u8]>) {
    if !sql.is_empty() {
        sql.push(b';');
    }
    sql.extend_from_slice(statement.as_ref());
}
