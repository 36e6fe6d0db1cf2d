//! What is done with prepared statements: Bind, Describe, Execute, Close.

use super::super::step::{Step, Undo, What};
use super::super::{Batch, Lost};
use super::{IN_ITS_PLACE, is_ours};
use crate::isolation::postgres::frame::{Oids, Target, to_client, to_server};
use crate::isolation::postgres::hub::client::Portal;
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::sql::{Direction, Kind};
use bytes::BytesMut;
use std::sync::{Arc, OnceLock};

impl Batch<'_> {
    pub(super) async fn bind(
        &mut self,
        portal: &[u8],
        statement: &[u8],
        rest: &[u8],
    ) -> Result<(), Lost> {
        let Some(prepared) = self.client.statements.get(statement).cloned() else {
            return self.no_statement(statement).await;
        };
        self.client.line.runs(&prepared.sql);
        if self.is_doomed() && !self.may_bind(statement, &prepared, rest).await? {
            return Ok(());
        }
        if self.is_doomed() && !portal.is_empty() && self.has_portal(portal) {
            let name = String::from_utf8_lossy(portal);
            let message = format!("cursor \"{name}\" already exists");
            return self.error("42P03", &message, None).await;
        }
        self.prepare_to_run(&prepared.kind).await?;
        if self.failed {
            return Ok(());
        }
        self.enter();
        let prepared = self.renewed(statement, prepared);
        let is_ours = prepared.name.is_empty() && portal.is_empty() && is_simple(rest);
        let old = self.client.portals.get(portal).cloned();
        self.client.bound += 1;
        let bound = Portal {
            number: self.client.bound,
            prepared: Arc::clone(&prepared),
            is_ours,
            done: false,
            when_failed: self.is_doomed(),
        };
        let undo = Some(Undo::Portal(portal.into(), old.clone()));
        self.client.portals.insert(portal.into(), bound);
        if is_ours {
            if old.is_some_and(|old| !old.is_ours) {
                let frames = self.core.session.extended();
                to_server::close(frames, Target::Portal(portal));
                self.steps.push_back(Step::of(What::Quiet));
            }
            self.ours(undo, to_client::bind_complete);
            return Ok(());
        }
        self.enter();
        if prepared.name.is_empty() {
            self.bind_ours(portal, rest, (prepared, statement.into()), undo);
        } else {
            to_server::bind(self.core.session.extended(), portal, &prepared.name, rest);
            let what = What::Bind(prepared, statement.into());
            self.steps.push_back(Step { what, undo });
        }
        Ok(())
    }

    /// A statement of ours in a portal of which the server knows: whether there is one by this name, and until when.
    fn bind_ours(
        &mut self,
        portal: &[u8],
        rest: &[u8],
        (prepared, own): (Arc<Prepared>, Box<[u8]>),
        undo: Option<Undo>,
    ) {
        let name = self.core.session.cache.name();
        let frames = self.core.session.extended();
        to_server::parse(frames, &name, IN_ITS_PLACE, Oids::NONE);
        to_server::bind(frames, portal, &name, rest);
        to_server::close(frames, Target::Statement(&name));
        self.steps.push_back(Step::of(What::Quiet));
        let named = Prepared {
            name,
            kind: Kind::Other,
            sql: prepared.sql.clone(),
            described: OnceLock::new(),
            executes: None,
            shared: true,
        };
        let what = What::Bind(Arc::new(named), own);
        self.steps.push_back(Step { what, undo });
        self.steps.push_back(Step::of(What::Quiet));
    }

    pub(super) async fn describe(&mut self, name: &[u8]) -> Result<(), Lost> {
        let Some(prepared) = self.client.statements.get(name).cloned() else {
            return self.no_statement(name).await;
        };
        if prepared.name.is_empty() {
            self.ours(None, |out| {
                to_client::no_parameters(out);
                to_client::no_data(out);
            });
            return Ok(());
        }
        if self.is_doomed() && self.returns_rows(&prepared).await? {
            return self.refuse_failed().await;
        }
        if matches!(prepared.kind, Kind::Execute(_)) {
            self.enter();
        }
        let prepared = self.renewed(name, prepared);
        let is_fresh = prepared.shared && self.core.session.cache.is_fresh();
        if let Some(described) = prepared.described.get().filter(|_| is_fresh) {
            let what = What::Ours(described.clone());
            self.steps.push_back(Step::of(what));
            return Ok(());
        }
        self.enter();
        let target = Target::Statement(&prepared.name);
        to_server::describe(self.core.session.extended(), target);
        let first = BytesMut::new();
        let what = What::Statement { prepared, first };
        self.steps.push_back(Step::of(what));
        Ok(())
    }

    pub(super) async fn describe_portal(&mut self, name: &[u8]) -> Result<(), Lost> {
        let known = self.client.portals.get(name).cloned();
        if known.as_ref().is_some_and(|portal| portal.is_ours) {
            self.ours(None, to_client::no_data);
            return Ok(());
        }
        if self.is_doomed() {
            return match known {
                None => self.no_portal_when_failed(name).await,
                Some(portal) if self.returns_rows(&portal.prepared).await? => {
                    self.refuse_failed().await
                }
                Some(_) => {
                    self.ours(None, to_client::no_data);
                    Ok(())
                }
            };
        }
        if known.is_none() && name.is_empty() {
            return self.no_portal(name).await;
        }
        self.enter();
        to_server::describe(self.core.session.extended(), Target::Portal(name));
        self.steps.push_back(Step::of(What::Portal));
        Ok(())
    }

    /// A portal that is not the client's may be a cursor that was declared in SQL.
    async fn no_portal_when_failed(&mut self, name: &[u8]) -> Result<(), Lost> {
        if self.has_portal(name) {
            return self.refuse_failed().await;
        }
        self.no_portal(name).await
    }

    /// By this name, made by a frame or in SQL.
    fn has_portal(&mut self, name: &[u8]) -> bool {
        let declared = self.core.stack.of(self.client.id);
        self.client.portals.contains_key(name)
            || self.core.belongings.has_cursor(self.client.id, name)
            || declared.is_some_and(|open| open.cursors.iter().any(|cursor| **cursor == *name))
    }

    async fn no_portal(&mut self, name: &[u8]) -> Result<(), Lost> {
        let name = String::from_utf8_lossy(name);
        let message = format!("portal \"{name}\" does not exist");
        self.error("34000", &message, None).await
    }

    pub(super) async fn execute_portal(&mut self, name: &[u8], max_rows: i32) -> Result<(), Lost> {
        let known = self.client.portals.get(name).cloned();
        let kind = known.as_ref().map(|portal| portal.prepared.kind.clone());
        let kind = kind.unwrap_or(Kind::Other);
        if self.is_doomed() && !kind.ends_failed_transaction() {
            return match known {
                None => self.no_portal_when_failed(name).await,
                Some(_) if kind == Kind::Empty => {
                    self.ours(None, to_client::empty_query_response);
                    Ok(())
                }
                Some(_) => self.refuse_failed().await,
            };
        }
        if let Some(portal) = known.as_ref().filter(|_| is_ours(&kind)) {
            return self.execute_ours(name, portal).await;
        }
        if known.is_none() && name.is_empty() {
            // Whatever the server has by this name is not the client's.
            return self.no_portal(name).await;
        }
        self.runs(&kind);
        if let Some(what) = self.needs_block(&kind) {
            return self.not_in_a_block(what).await;
        }
        self.enter();
        to_server::execute(self.core.session.extended(), name, max_rows);
        let prepared = match known {
            Some(portal) => portal.prepared,
            None => Arc::new(Prepared::nothing(Kind::Other)),
        };
        self.steps.push_back(Step::of(What::Execute(prepared)));
        if kind == Kind::Copy(Direction::In) {
            // The server takes what comes next for data.
            self.settle().await?;
        }
        Ok(())
    }

    /// What a statement is called in the server's message if it cannot run outside of a transaction block, as here.
    fn needs_block(&self, kind: &Kind) -> Option<&'static str> {
        match kind {
            _ if self.in_block() => None,
            Kind::Lock => Some("LOCK TABLE"),
            Kind::Declare { hold: false, .. } => Some("DECLARE CURSOR"),
            _ => None,
        }
    }

    async fn execute_ours(&mut self, name: &[u8], portal: &Portal) -> Result<(), Lost> {
        // What is sent in between ends the one without a name.
        let told = !(portal.is_ours || portal.done && name.is_empty());
        if told && !self.is_doomed() {
            // It may have ended, with a savepoint that was rolled back to; and it can be run only once.
            to_server::execute(self.core.session.extended(), name, 0);
            self.steps.push_back(Step::of(What::Check));
        }
        self.settle().await?;
        if self.failed {
            return Ok(());
        }
        if portal.done {
            let name = String::from_utf8_lossy(name);
            let message = format!("portal \"{name}\" cannot be run");
            return self.error("55000", &message, None).await;
        }
        if let Some(portal) = self.client.portals.get_mut(name) {
            portal.done = true;
        }
        if portal.prepared.kind.takes_snapshot() {
            self.prepare_to_run(&portal.prepared.kind).await?;
        }
        if self.failed {
            return Ok(());
        }
        self.running = Some(name.into());
        self.control(&portal.prepared.kind, &portal.prepared.sql)
            .await?;
        self.running = None;
        Ok(())
    }

    /// Portals that were made in a failed transaction are in the server's way when it ends.
    pub(in super::super) fn skip_portals(&mut self) {
        let running = self.running.as_deref();
        let portals = self.client.portals.iter();
        let left = portals
            .filter(|(name, portal)| portal.when_failed && !portal.done && running != Some(name));
        let mut left: Vec<_> = left.map(|(name, _)| name.clone()).collect();
        left.sort_unstable();
        for name in left {
            let name = String::from_utf8_lossy(&name);
            self.warn("01000", &format!("skipping cleanup for portal \"{name}\""));
        }
        self.client.portals.retain(|_, portal| !portal.when_failed);
    }

    /// Takes note of a statement that is about to be run, and has the constraints deferred that it may need to be.
    pub(super) async fn prepare_to_run(&mut self, kind: &Kind) -> Result<(), Lost> {
        self.runs(kind);
        let known = self.core.session.deferred.is_some();
        if known && (self.in_block() || !self.defers() || !self.guarded) {
            return Ok(());
        }
        // Something is to be asked or said first.
        self.settle().await?;
        if self.failed {
            return Ok(());
        }
        self.defer().await
    }

    pub(super) fn close_portal(&mut self, name: &[u8]) {
        let old = self.client.portals.remove(name);
        let undo = Some(Undo::Portal(name.into(), old.clone()));
        let is_ours = old
            .as_ref()
            .map_or(name.is_empty() && !self.in_block(), |portal| portal.is_ours);
        if is_ours {
            self.ours(undo, to_client::close_complete);
            return;
        }
        self.enter();
        to_server::close(self.core.session.extended(), Target::Portal(name));
        let what = What::Close(None);
        self.steps.push_back(Step { what, undo });
    }
}

/// Whether a Bind has no parameters, and no more formats for them than there may be.
fn is_simple(rest: &[u8]) -> bool {
    matches!(rest, [0, 0, 0, 0, ..] | [0, 1, _, _, 0, 0, ..])
}
