//! The extended protocol: frames up to a Sync.

use super::simple::is_plain;
use super::step::Step;
use super::{Batch, Lost};
use crate::isolation::postgres::frame::{
    Client as Said, Frame, Oids, Target, to_client, to_server,
};
use crate::isolation::postgres::hub::client::Parted;
use crate::isolation::postgres::session::{Key, Prepared};
use crate::isolation::postgres::sql::{Kind, Only, only};
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// How a batch ended.
pub(in crate::isolation::postgres::hub) enum Ended {
    /// With a Sync.
    Synced,
    /// The client says something else now.
    Otherwise(Frame),
    /// There is no client any more.
    Parted(Parted),
}

/// How far answers were waited for.
#[derive(PartialEq, Eq)]
enum Until {
    /// All of them.
    Steps,
    /// ReadyForQuery.
    Ready,
}

impl Batch<'_> {
    /// Runs frames up to a Sync, and says where the connection stands.
    pub(in crate::isolation::postgres::hub) async fn frames(&mut self) -> Result<Ended, Lost> {
        self.notice_end();
        if !self.in_block() {
            self.deferred().await?;
            self.ran = true;
            self.pipeline = true;
        }
        loop {
            let frame = match self.client.frame().await {
                Ok(frame) => frame,
                Err(parted) => {
                    self.abandon().await?;
                    return Ok(Ended::Parted(parted));
                }
            };
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
                    self.settle().await?;
                    if !self.failed {
                        self.keep();
                        return Ok(Ended::Otherwise(frame));
                    }
                }
                _ if self.failed => {}
                _ => self.translate(&frame).await?,
            }
        }
    }

    /// The client left in the middle.
    async fn abandon(&mut self) -> Result<(), Lost> {
        self.gone = true;
        self.core.session.drain().await?;
        self.steps.clear();
        if !self.failed {
            self.failed = true;
        }
        self.heal();
        Ok(())
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
            Ok(Said::Close(target)) => self.close(target).await,
            // Of a COPY that has failed.
            Ok(Said::CopyData(_) | Said::CopyDone | Said::CopyFail { .. }) => Ok(()),
            Ok(_) => self.error("08P01", "invalid frontend message", None).await,
            Err(broken) => self.error("08P01", &broken.to_string(), None).await,
        }
    }

    fn ours(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut frames = BytesMut::new();
        write(&mut frames);
        self.steps.push_back(Step::Ours(frames.freeze()));
    }

    async fn parse(
        &mut self,
        frame: &Frame,
        name: &[u8],
        query: &[u8],
        types: Oids<'_>,
    ) -> Result<(), Lost> {
        let strings = self.client.strings();
        let (kind, text) = match only(query, strings) {
            Only::Nothing => (Kind::Empty, query),
            Only::One(statement) => (statement.kind(), statement.text),
            Only::Several => (Kind::Malformed, query),
        };
        if self.is_doomed() && kind != Kind::Empty && !kind.ends_failed_transaction() {
            self.settle().await?;
            if !self.failed && self.is_parsed(query).await? {
                self.refuse_failed().await?;
            }
            return Ok(());
        }
        if !name.is_empty() && self.client.statements.contains_key(name) {
            let name = String::from_utf8_lossy(name);
            let message = format!("prepared statement \"{name}\" already exists");
            return self.error("42P05", &message, None).await;
        }
        self.note(query);
        let sql = Bytes::copy_from_slice(text);
        if is_ours(&kind) {
            return self.parse_ours(name, kind, sql).await;
        }
        let key = self.key(frame, query, types);
        if let Some(prepared) = key
            .as_ref()
            .and_then(|key| self.core.session.cache.get(key))
        {
            self.forget(name);
            self.client.statements.insert(name.into(), prepared);
            self.ours(to_client::parse_complete);
            return Ok(());
        }
        self.parse_anew(name, query, types, (kind, sql, key)).await
    }

    /// A statement that never gets to the server as it is.
    async fn parse_ours(&mut self, name: &[u8], kind: Kind, sql: Bytes) -> Result<(), Lost> {
        if let Some(what) = kind.barred() {
            // Already here, so that nobody takes what cannot work for prepared.
            return self.barred(what).await;
        }
        self.forget(name);
        let prepared = Prepared {
            name: Box::default(),
            kind,
            sql,
            described: OnceLock::new(),
            shared: true,
        };
        self.client
            .statements
            .insert(name.into(), Arc::new(prepared));
        self.ours(to_client::parse_complete);
        Ok(())
    }

    async fn parse_anew(
        &mut self,
        name: &[u8],
        query: &[u8],
        types: Oids<'_>,
        (kind, sql, key): (Kind, Bytes, Option<Key>),
    ) -> Result<(), Lost> {
        let query = match self.with_own_names(&kind, query, &sql) {
            Ok(query) => query,
            Err(missing) => return self.no_statement(&missing).await,
        };
        self.enter();
        self.forget(name);
        let physical = self.core.session.cache.name();
        to_server::parse(self.core.session.extended(), &physical, &query, types);
        let prepared = Arc::new(Prepared {
            name: physical,
            kind,
            sql,
            described: OnceLock::new(),
            shared: key.is_some(),
        });
        // Frames behind it name it already; it is taken back if the server refuses it.
        let own: Box<[u8]> = name.into();
        self.client
            .statements
            .insert(own.clone(), Arc::clone(&prepared));
        self.steps.push_back(Step::Parse {
            name: own,
            prepared,
            key,
        });
        Ok(())
    }

    /// What others may use as well: not what depends on when it was read.
    fn key(&self, frame: &Frame, query: &[u8], types: Oids<'_>) -> Option<Key> {
        let timely = || {
            let near = |word: &[u8]| {
                let mut windows = query.windows(word.len());
                windows.any(|window| window.eq_ignore_ascii_case(word))
            };
            [&b"'now"[..], b"'today", b"'tomorrow", b"'yesterday"]
                .iter()
                .any(|word| near(word))
        };
        if !self.core.session.cache.is_fresh() || timely() {
            return None;
        }
        let types = frame.part(types.as_bytes());
        let settings = self.client.settings.fingerprint();
        Some((frame.part(query), types, settings))
    }

    /// The client uses this name for something else.
    fn forget(&mut self, name: &[u8]) {
        let old = self.client.statements.remove(name);
        if let Some(old) = old.filter(|old| !old.shared) {
            self.enter();
            to_server::close(self.core.session.extended(), Target::Statement(&old.name));
            self.steps.push_back(Step::Close { asked: false });
        }
    }

    async fn bind(&mut self, portal: &[u8], statement: &[u8], rest: &[u8]) -> Result<(), Lost> {
        let Some(prepared) = self.client.statements.get(statement).cloned() else {
            return self.no_statement(statement).await;
        };
        if self.is_doomed() && !may_run_when_failed(&prepared.kind) {
            return self.refuse_failed().await;
        }
        if is_ours(&prepared.kind) {
            let given = parameters(rest);
            if given != 0 {
                let name = String::from_utf8_lossy(statement);
                let message = format!(
                    "bind message supplies {given} parameters, but prepared statement \"{name}\" requires 0"
                );
                return self.error("08P01", &message, None).await;
            }
            self.ours(to_client::bind_complete);
        } else {
            self.enter();
            to_server::bind(self.core.session.extended(), portal, &prepared.name, rest);
            self.steps.push_back(Step::Bind);
        }
        self.client.portals.insert(portal.into(), prepared);
        Ok(())
    }

    async fn describe(&mut self, name: &[u8]) -> Result<(), Lost> {
        let Some(prepared) = self.client.statements.get(name).cloned() else {
            return self.no_statement(name).await;
        };
        if is_ours(&prepared.kind) {
            self.ours(|out| {
                to_client::no_parameters(out);
                to_client::no_data(out);
            });
            return Ok(());
        }
        if self.is_doomed() && !may_run_when_failed(&prepared.kind) {
            return self.refuse_failed().await;
        }
        if let Some(described) = prepared.described.get().filter(|_| prepared.shared) {
            self.steps.push_back(Step::Ours(described.clone()));
            return Ok(());
        }
        self.enter();
        let target = Target::Statement(&prepared.name);
        to_server::describe(self.core.session.extended(), target);
        self.steps.push_back(Step::Statement {
            prepared,
            first: BytesMut::new(),
        });
        Ok(())
    }

    async fn describe_portal(&mut self, name: &[u8]) -> Result<(), Lost> {
        if let Some(prepared) = self.client.portals.get(name).cloned() {
            if is_ours(&prepared.kind) {
                self.ours(to_client::no_data);
                return Ok(());
            }
            if self.is_doomed() && !may_run_when_failed(&prepared.kind) {
                return self.refuse_failed().await;
            }
        }
        self.enter();
        to_server::describe(self.core.session.extended(), Target::Portal(name));
        self.steps.push_back(Step::Portal);
        Ok(())
    }

    async fn execute_portal(&mut self, portal: &[u8], max_rows: i32) -> Result<(), Lost> {
        let prepared = self.client.portals.get(portal).cloned();
        let Some(prepared) = prepared else {
            let name = String::from_utf8_lossy(portal);
            // It may be a cursor that was declared in SQL.
            if self.in_block() && !self.is_doomed() {
                self.enter();
                to_server::execute(self.core.session.extended(), portal, max_rows);
                self.steps
                    .push_back(Step::Execute(Arc::new(Prepared::nothing())));
                return Ok(());
            }
            let message = format!("portal \"{name}\" does not exist");
            return self.error("34000", &message, None).await;
        };
        if self.is_doomed() && !may_run_when_failed(&prepared.kind) {
            return self.refuse_failed().await;
        }
        if is_ours(&prepared.kind) {
            self.settle().await?;
            if !self.failed {
                self.control(&prepared.kind, &prepared.sql).await?;
            }
            return Ok(());
        }
        if matches!(
            prepared.kind,
            Kind::Lock | Kind::Declare { hold: false, .. }
        ) && !self.in_block()
        {
            let what = if prepared.kind == Kind::Lock {
                "LOCK TABLE"
            } else {
                "DECLARE CURSOR"
            };
            return self.not_in_a_block(what).await;
        }
        self.enter();
        to_server::execute(self.core.session.extended(), portal, max_rows);
        self.steps.push_back(Step::Execute(prepared));
        Ok(())
    }

    async fn close(&mut self, target: Target<'_>) -> Result<(), Lost> {
        match target {
            Target::Statement(name) => {
                self.forget(name);
                // The server has nothing to say to it.
                if let Some(Step::Close { asked }) = self.steps.back_mut()
                    && !*asked
                {
                    *asked = true;
                    return Ok(());
                }
                self.ours(to_client::close_complete);
            }
            Target::Portal(name) => match self.client.portals.remove(name) {
                Some(prepared) if !is_ours(&prepared.kind) => {
                    to_server::close(self.core.session.extended(), target);
                    self.steps.push_back(Step::Close { asked: true });
                }
                _ if self.in_block() && !self.is_doomed() => {
                    self.enter();
                    to_server::close(self.core.session.extended(), target);
                    self.steps.push_back(Step::Close { asked: true });
                }
                _ => self.ours(to_client::close_complete),
            },
        }
        Ok(())
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
        let asked = self.core.session.is_unsynced() || !self.steps.is_empty();
        if !self.failed && !self.in_block() && asked {
            self.close_portals();
            if self.deferring {
                self.settle().await?;
                if !self.failed {
                    self.deferring = false;
                    self.ask_constraints();
                    self.constraints_hold().await?;
                }
            }
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
        } else {
            self.keep();
        }
        Ok(true)
    }

    /// Outside of a transaction portals end with the batch.
    fn close_portals(&mut self) {
        for (name, prepared) in self.client.portals.drain() {
            if !is_ours(&prepared.kind) {
                let session = &mut self.core.session;
                to_server::close(session.extended(), Target::Portal(&name));
                self.steps.push_back(Step::Close { asked: false });
            }
        }
    }

    /// Passes answers on; `false` if a COPY came, behind which another Sync is to be waited for.
    async fn pump(&mut self, until: &Until) -> Result<bool, Lost> {
        loop {
            while let Some(Step::Ours(frames)) = self.steps.front() {
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
                    self.take_back();
                    self.server_error(&frame);
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

    /// The server leaves out everything up to the Sync; what was not parsed is not there.
    fn take_back(&mut self) {
        for step in self.steps.drain(..) {
            if let Step::Parse { name, prepared, .. } = step {
                let statements = &mut self.client.statements;
                if statements
                    .get(&name)
                    .is_some_and(|own| Arc::ptr_eq(own, &prepared))
                {
                    statements.remove(&name);
                }
            }
        }
    }

    /// A frame that answers the first step, as a whole or in part.
    fn answered(&mut self, frame: &Frame) {
        let tag = frame.view().tag();
        let ends = !matches!(tag, b'D' | b'd' | b'H' | b'c' | b't')
            && !(tag == b'T' && matches!(self.steps.front(), Some(Step::Execute(_))));
        if let Some(Step::Statement { first, .. }) = self.steps.front_mut() {
            first.extend_from_slice(frame.view().bytes());
        }
        let asked = !matches!(self.steps.front(), Some(Step::Close { asked: false }));
        if asked {
            self.pass(frame);
        }
        if !ends {
            return;
        }
        match self.steps.pop_front() {
            Some(Step::Parse {
                prepared,
                key: Some(key),
                ..
            }) => self.core.session.cache.insert(key, prepared),
            Some(Step::Statement { prepared, first }) => {
                // It may be described already: as this, then.
                prepared.described.set(first.freeze()).ok();
            }
            Some(Step::Execute(prepared)) if tag == b'C' => self.executed(&prepared),
            _ => {}
        }
    }

    fn executed(&mut self, prepared: &Prepared) {
        if !is_plain(&prepared.kind) {
            self.took_effect(&prepared.kind);
        }
        self.keep();
    }

    /// What a test's own connections see otherwise than they would on a server.
    fn note(&mut self, query: &[u8]) {
        self.shared.note(query);
    }
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
                | Kind::SetConstraints(_)
                | Kind::Set(_)
                | Kind::Reset(_)
                | Kind::Prepare(_)
                | Kind::Deallocate(_)
        )
}

fn may_run_when_failed(kind: &Kind) -> bool {
    *kind == Kind::Empty || kind.ends_failed_transaction()
}

/// How many parameters a Bind has.
fn parameters(rest: &[u8]) -> u16 {
    let int16 = |at: usize| {
        let bytes = rest.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let formats = usize::from(int16(0).unwrap_or(0));
    int16(2 + 2 * formats).unwrap_or(0)
}
