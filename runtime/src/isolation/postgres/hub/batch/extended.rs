//! The extended protocol: frames up to a Sync.

mod parse;
mod portals;

use super::step::{Step, Undo, What};
use super::{Batch, Lost, Names};
use crate::isolation::postgres::frame::{
    Client as Said, Frame, Oids, Server, Target, to_client, to_server,
};
use crate::isolation::postgres::hub::client::{Parted, Portal};
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::sql::{Kind, contains};
use bytes::BytesMut;
use std::future::{Future as _, poll_fn};
use std::pin::pin;

/// How a batch ended.
pub(in crate::isolation::postgres::hub) enum Ended {
    /// With `ReadyForQuery`.
    Synced,
    /// There is no client any more.
    Parted(Parted),
}

/// What the server prepares in place of a statement that is never to get there: it does nothing.
const IN_ITS_PLACE: &[u8] = b"UNLISTEN heirloom_nothing";

/// How far answers were waited for.
#[derive(PartialEq, Eq)]
enum Until {
    /// All of them.
    Steps,
    /// `ReadyForQuery`.
    Ready,
}

/// The portal that looks at constraints.
const CHECKING: &[u8] = b"heirloom_check";

impl Batch<'_> {
    /// Runs frames up to a Sync, and says where the connection stands.
    pub(in crate::isolation::postgres::hub) async fn frames(&mut self) -> Result<Ended, Lost> {
        self.notice_end();
        self.pipeline = true;
        self.look_at_constraints().await?;
        let mut flushed = false;
        loop {
            let frame = match self.frame(flushed).await {
                Ok(frame) => frame,
                Err(parted) => {
                    self.abandon().await?;
                    return Ok(Ended::Parted(parted));
                }
            };
            flushed = frame.view().tag() == b'H';
            match frame.view().tag() {
                b'S' => {
                    if self.synced().await? {
                        self.finish().await?;
                        return Ok(Ended::Synced);
                    }
                }
                b'H' => {
                    self.settle().await?;
                    if let Err(parted) = self.client.flush().await {
                        self.abandon().await?;
                        return Ok(Ended::Parted(parted));
                    }
                }
                b'X' => {
                    self.abandon().await?;
                    return Ok(Ended::Parted(Parted::Gone));
                }
                b'Q' | b'F' if !self.failed => {
                    if self.interrupted(&frame).await? {
                        return Ok(Ended::Synced);
                    }
                }
                _ if self.failed => {}
                _ => self.translate(&frame).await?,
            }
        }
    }

    /// The client's next frame, which it may think about if it has seen all there is. Errors are not kept from it until
    /// there is a Sync.
    async fn frame(&mut self, flushed: bool) -> Result<Frame, Parted> {
        if self.failed {
            self.client.flush().await?;
        }
        if !flushed {
            return self.client.frame().await;
        }
        let (mut next, mut has_seen_all) = (pin!(self.client.next()), false);
        let frame = poll_fn(|cx| {
            let frame = next.as_mut().poll(cx);
            has_seen_all |= frame.is_pending();
            frame
        });
        let frame = frame.await;
        if has_seen_all {
            // Nothing ran meanwhile.
            self.shared.cancels.begin(false);
        }
        frame
    }

    /// The client left in the middle.
    async fn abandon(&mut self) -> Result<(), Lost> {
        self.gone = true;
        // What still runs is stopped, as often as it takes.
        self.core.session.wind_up();
        while self.core.session.skip()? {
            self.fill().await?;
        }
        self.steps.clear();
        self.failed = true;
        // Behind a COMMIT there may be some that no rollback ends.
        self.close_cursors(&[]);
        self.heal();
        Ok(())
    }

    /// A query, or a call of a function, without a Sync before it: it is part of the same transaction, which ends with
    /// it; `false` if it is left out, as something before it has failed.
    async fn interrupted(&mut self, frame: &Frame) -> Result<bool, Lost> {
        self.settle().await?;
        if self.failed {
            return Ok(false);
        }
        match Said::read(frame.view()) {
            Ok(Said::Query { sql }) => self.query(sql).await?,
            _ => self.call(frame.view().bytes()).await?,
        }
        // Not before it: a Sync makes visible what a portal that was not read to its end has written.
        if self.core.session.is_unsynced() {
            self.core.session.sync();
            self.pump(&Until::Ready).await?;
        }
        Ok(true)
    }

    async fn translate(&mut self, frame: &Frame) -> Result<(), Lost> {
        match Said::read(frame.view()) {
            Ok(Said::Parse { name, query, types }) => self.parse(frame, name, query, types).await,
            Ok(Said::Bind {
                portal,
                statement,
                rest,
            }) => self.bind(portal, statement, rest).await,
            Ok(Said::Describe(Target::Statement(name))) => self.describe(name).await,
            Ok(Said::Describe(Target::Portal(name))) => self.describe_portal(name).await,
            Ok(Said::Execute { portal, max_rows }) => self.execute_portal(portal, max_rows).await,
            Ok(Said::Close(Target::Statement(name))) => {
                self.close_statement(name);
                Ok(())
            }
            Ok(Said::Close(Target::Portal(name))) => {
                self.close_portal(name);
                Ok(())
            }
            // Of a COPY that has failed.
            Ok(Said::CopyData(_) | Said::CopyDone | Said::CopyFail { .. }) => Ok(()),
            Ok(_) => self.error("08P01", "invalid frontend message", None).await,
            Err(broken) => self.error("08P01", &broken.to_string(), None).await,
        }
    }

    fn ours(&mut self, undo: Option<Undo>, write: impl FnOnce(&mut BytesMut)) {
        let mut frames = BytesMut::new();
        write(&mut frames);
        let what = What::Ours(frames.freeze());
        self.steps.push_back(Step { what, undo });
    }

    /// Waits for everything that the server has yet to answer.
    pub(super) async fn settle(&mut self) -> Result<(), Lost> {
        if self.steps.iter().any(Step::is_the_servers) {
            to_server::flush(self.core.session.extended());
        }
        self.pump(&Until::Steps).await?;
        Ok(())
    }

    /// The end of a batch; `false` if the server left the Sync out, because COPY came in between.
    async fn synced(&mut self) -> Result<bool, Lost> {
        if !self.failed && !self.in_block() {
            self.close_portals();
            self.check_with_sync();
        }
        if self.core.session.is_unsynced() {
            self.core.session.sync();
            if !self.pump(&Until::Ready).await? {
                return Ok(false);
            }
        } else {
            self.pump(&Until::Steps).await?;
        }
        if self.failed {
            self.heal();
        }
        self.depart();
        Ok(true)
    }

    /// Looks at the constraints that were put off, in the same round trip.
    fn check_with_sync(&mut self) {
        if !std::mem::take(&mut self.deferring) {
            return;
        }
        let frames = self.core.session.extended();
        to_server::parse(frames, "", super::constraints::CHECK, Oids::NONE);
        to_server::bind(frames, CHECKING, "", to_server::NO_VALUES);
        to_server::execute(frames, CHECKING, 0);
        to_server::close(frames, Target::Portal(CHECKING));
        let all = [What::Quiet, What::Quiet, What::Check, What::Quiet];
        self.steps.extend(all.map(Step::of));
    }

    /// Passes answers on; `false` if a COPY came, behind which another Sync is to be waited for.
    async fn pump(&mut self, until: &Until) -> Result<bool, Lost> {
        loop {
            while let Some(What::Ours(frames)) = self.steps.front().map(|step| &step.what) {
                self.client.out.extend_from_slice(frames);
                self.steps.pop_front();
            }
            if *until == Until::Steps && self.steps.is_empty() {
                return Ok(true);
            }
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => return Ok(true),
                b'E' => {
                    let begun = self.begun_portal(&frame);
                    self.take_back();
                    self.client.portals.extend(begun);
                    self.server_error(&frame);
                    (self.naming, self.shift, self.executing) = (None, None, false);
                    if *until == Until::Steps {
                        return Ok(true);
                    }
                }
                b'G' => {
                    let sync_sent = *until == Until::Ready;
                    self.copy_in(&frame, sync_sent).await?;
                    if sync_sent {
                        return Ok(false);
                    }
                    to_server::flush(self.core.session.extended());
                }
                b'N' => self.pass(&frame),
                _ => self.answered(&frame),
            }
        }
    }

    /// The server leaves out everything up to the Sync: names stand for what they did before.
    fn take_back(&mut self) {
        if let Some(step) = self.steps.front() {
            self.naming = Self::named_in(step);
            if let What::Execute(prepared) = &step.what
                && let (Kind::Execute(name), Some(physical)) = (&prepared.kind, &prepared.executes)
            {
                self.shift = super::names::shift(name, physical);
                self.executing = true;
            }
        }
        while let Some(step) = self.steps.pop_back() {
            match step.undo {
                Some(Undo::Statement(name, old)) => {
                    put_back(&mut self.client.statements, name, old);
                }
                Some(Undo::Portal(name, old)) => put_back(&mut self.client.portals, name, old),
                None => {}
            }
        }
    }

    /// A Bind that failed over its parameters leaves a portal with nothing in it, for as long as the transaction is there.
    fn begun_portal(&self, error: &Frame) -> Option<(Box<[u8]>, Portal)> {
        let step = self.steps.front()?;
        let (What::Bind(..), Some(Undo::Portal(name, _))) = (&step.what, &step.undo) else {
            return None;
        };
        let Ok(Server::ErrorResponse(fields)) = Server::read(error.view()) else {
            return None;
        };
        let early = [&b"25P02"[..], b"26000", b"42P03"];
        let early = early.contains(&fields.code()) || fields.message().starts_with(b"bind message");
        let begun = self.in_block() && !early;
        begun.then(|| (name.clone(), Portal::of_nothing(self.client.bound)))
    }

    /// The statement that a step is about: its name on the server, and the client's.
    fn named_in(step: &Step) -> Option<Names> {
        let (physical, own) = match (&step.what, &step.undo) {
            (What::Parse { prepared, .. }, Some(Undo::Statement(own, _)))
            | (What::Bind(prepared, own), _) => (&prepared.name, own),
            (What::Statement { prepared, .. } | What::Execute(prepared), _) => {
                let Kind::Execute(name) = &prepared.kind else {
                    return None;
                };
                return Some((prepared.executes.clone()?, name.as_bytes().into()));
            }
            _ => return None,
        };
        Some((physical.clone(), own.clone()))
    }

    /// A frame that answers the first step, as a whole or in part.
    fn answered(&mut self, frame: &Frame) {
        let tag = frame.view().tag();
        let Some(step) = self.steps.front_mut() else {
            return;
        };
        if let What::Statement { first, .. } = &mut step.what {
            first.extend_from_slice(frame.view().bytes());
        }
        let (asked, ends) = (step.is_asked(), step.ends_with(tag));
        if asked {
            self.pass(frame);
        }
        if !ends {
            return;
        }
        match self.steps.pop_front().map(|step| step.what) {
            Some(What::Parse {
                prepared,
                key: Some(key),
            }) => self.core.session.cache.insert(key, prepared),
            Some(What::Statement { prepared, first }) => {
                // It may be described already: as this, then.
                prepared.described.set(first.freeze()).ok();
            }
            Some(What::Forget(old) | What::Close(Some(old))) => self.is_freed(&old),
            Some(What::Execute(prepared)) if tag == b'C' => self.executed(&prepared),
            Some(What::Execute(prepared)) if tag == b's' => self.suspended(&prepared),
            _ => {}
        }
    }

    fn executed(&mut self, prepared: &Prepared) {
        if !super::simple::is_plain(&prepared.kind) {
            self.took_effect(&prepared.kind);
        }
    }

    /// As many rows as were asked for: that may be all, and drivers leave it at that.
    fn suspended(&mut self, prepared: &Prepared) {
        if matches!(prepared.kind, Kind::Configure(_)) {
            self.took_effect(&prepared.kind);
        }
        let writes = [&b"insert"[..], b"update", b"delete", b"merge"];
        let text = &prepared.sql;
        if self.core.stack.top().is_some() && writes.iter().any(|word| contains(text, word)) {
            let what = String::from_utf8_lossy(text).into_owned();
            self.core.stack.wrote(self.client.id, &what);
        }
    }

    /// Outside of a transaction portals end with the batch.
    fn close_portals(&mut self) {
        for (name, portal) in self.client.portals.drain() {
            if !portal.is_ours {
                let session = &mut self.core.session;
                to_server::close(session.extended(), Target::Portal(&name));
                self.steps.push_back(Step::of(What::Quiet));
            }
        }
    }

    fn close_statement(&mut self, name: &[u8]) {
        let old = self.client.statements.remove(name);
        let undo = Some(Undo::Statement(name.into(), old.clone()));
        match old.filter(|old| is_private(old)) {
            Some(old) => {
                self.enter();
                to_server::close(self.core.session.extended(), Target::Statement(&old.name));
                let what = What::Close(Some(old));
                self.steps.push_back(Step { what, undo });
            }
            None => self.ours(undo, to_client::close_complete),
        }
    }
}

fn put_back<T>(all: &mut std::collections::HashMap<Box<[u8]>, T>, name: Box<[u8]>, old: Option<T>) {
    match old {
        Some(old) => drop(all.insert(name, old)),
        None => drop(all.remove(&name)),
    }
}

/// Whether the server has it for nobody else.
fn is_private(prepared: &Prepared) -> bool {
    !prepared.shared && !prepared.name.is_empty()
}

/// Carried out here, when it is executed.
fn is_ours(kind: &Kind) -> bool {
    kind.barred().is_some()
        || matches!(
            kind,
            Kind::Begin(_)
                | Kind::Commit { .. }
                | Kind::Rollback { .. }
                | Kind::Savepoint(_)
                | Kind::Release(_)
                | Kind::RollbackTo(_)
                | Kind::PrepareTransaction(_)
                | Kind::SetTransaction(_)
                | Kind::SetCharacteristics(_)
                | Kind::SetConstraints(_)
                | Kind::Set(_)
                | Kind::Reset(_)
                | Kind::Prepare(_)
                | Kind::Deallocate(_)
        )
}
