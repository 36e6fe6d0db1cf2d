//! Parse: statements by the client's names, and by the session's.

use super::super::step::{Step, Undo, What};
use super::super::{Batch, Lost};
use super::{IN_ITS_PLACE, is_ours, is_private};
use crate::isolation::postgres::frame::{Frame, Oids, Target, to_client, to_server};
use crate::isolation::postgres::session::{Key, Prepared};
use crate::isolation::postgres::sql::{Kind, Only, contains, only};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// What statements begin with that are planned, or explain a plan.
const QUERIES: &[&[u8]] = &[
    b"select", b"insert", b"update", b"delete", b"merge", b"with", b"values", b"table", b"(",
    b"explain",
];

impl Batch<'_> {
    pub(super) async fn parse(
        &mut self,
        frame: &Frame,
        name: &[u8],
        query: &[u8],
        types: Oids<'_>,
    ) -> Result<(), Lost> {
        self.client.line.runs(query);
        let strings = self.client.strings();
        let (kind, text) = match only(query, strings) {
            Only::Nothing => (Kind::Empty, query),
            Only::One(statement) => (statement.kind(), statement.text),
            Only::Several => (Kind::Malformed, query),
        };
        if name.is_empty() {
            // Whatever becomes of the new one.
            self.forget(name);
        }
        if self.is_doomed() && kind != Kind::Empty && !kind.ends_failed_transaction() {
            self.settle().await?;
            return self.refuse_parse(query).await;
        }
        self.shared.note(query);
        self.remember(query);
        if is_analyzed(&kind, text) {
            self.prepare_to_run(&kind).await?;
            if self.failed {
                return Ok(());
            }
        }
        if let Some(old) = self.client.statements.get(name).cloned() {
            return self.parse_again(name, query, types, (kind, old)).await;
        }
        let sql = Bytes::copy_from_slice(text);
        if is_ours(&kind) && types.iter().next().is_none() {
            return self.parse_ours(name, kind, sql).await;
        }
        let key = self.key(&kind, frame, query, types);
        if let Some(prepared) = key
            .as_ref()
            .and_then(|key| self.core.session.cache.get(key))
        {
            self.client.statements.insert(name.into(), prepared);
            let undo = Some(Undo::Statement(name.into(), None));
            self.ours(undo, to_client::parse_complete);
            return Ok(());
        }
        self.parse_anew(name, query, types, (kind, sql, key)).await
    }

    /// In a failed transaction: what cannot be read is refused for that.
    async fn refuse_parse(&mut self, query: &[u8]) -> Result<(), Lost> {
        if self.failed || !self.is_parsed(query).await? {
            return Ok(());
        }
        if only(query, self.client.strings()) == Only::Several {
            let message = "cannot insert multiple commands into a prepared statement";
            return self.error("42601", message, None).await;
        }
        self.refuse_failed().await
    }

    /// A statement that gets to the server only with parameters, or in a portal with a name.
    async fn parse_ours(&mut self, name: &[u8], kind: Kind, sql: Bytes) -> Result<(), Lost> {
        if let Some(what) = kind.barred() {
            // Already here, so that nobody takes what cannot work for prepared.
            return self.barred(what).await;
        }
        let prepared = Prepared {
            name: Box::default(),
            kind,
            sql,
            described: OnceLock::new(),
            executes: None,
            shared: true,
        };
        let prepared = Arc::new(prepared);
        self.client.statements.insert(name.into(), prepared);
        let undo = Some(Undo::Statement(name.into(), None));
        self.ours(undo, to_client::parse_complete);
        Ok(())
    }

    async fn parse_anew(
        &mut self,
        name: &[u8],
        query: &[u8],
        types: Oids<'_>,
        (kind, sql, key): (Kind, Bytes, Option<Key>),
    ) -> Result<(), Lost> {
        let query = if is_ours(&kind) { IN_ITS_PLACE } else { query };
        let executes = match self.executed_by(&kind) {
            Ok(executes) => executes,
            Err(missing) => return self.no_statement(&missing).await,
        };
        let query = Self::with_own_names(&kind, query, &sql, executes.as_deref());
        self.enter();
        let physical = self.core.session.cache.name();
        to_server::parse(self.core.session.extended(), &physical, &query, types);
        let prepared = Arc::new(Prepared {
            name: physical,
            kind,
            sql,
            described: OnceLock::new(),
            executes,
            shared: key.is_some(),
        });
        if key.is_none() {
            let belongings = &mut self.core.belongings;
            belongings.statement(self.client.id, &prepared.name);
        }
        // Frames behind it name it already; it is taken back if the server refuses it.
        let own: Box<[u8]> = name.into();
        let undo = Some(Undo::Statement(own.clone(), None));
        self.client.statements.insert(own, Arc::clone(&prepared));
        let what = What::Parse { prepared, key };
        self.steps.push_back(Step { what, undo });
        Ok(())
    }

    /// By a name that is taken: the server says so last, after all else that is wrong with it.
    async fn parse_again(
        &mut self,
        name: &[u8],
        query: &[u8],
        types: Oids<'_>,
        (kind, old): (Kind, Arc<Prepared>),
    ) -> Result<(), Lost> {
        let no_types = types.iter().next().is_none();
        if !(old.name.is_empty() || is_ours(&kind) && no_types) {
            self.enter();
            to_server::parse(self.core.session.extended(), &old.name, query, types);
            let undo = Some(Undo::Statement(name.into(), Some(Arc::clone(&old))));
            let what = What::Parse {
                prepared: old,
                key: None,
            };
            self.steps.push_back(Step { what, undo });
            return Ok(());
        }
        self.settle().await?;
        if self.failed || (!is_ours(&kind) && !self.is_sound(query, types).await?) {
            return Ok(());
        }
        let name = String::from_utf8_lossy(name);
        let message = format!("prepared statement \"{name}\" already exists");
        self.error("42P05", &message, None).await
    }

    /// What others may use as well: not what depends on when it was read.
    fn key(&self, kind: &Kind, frame: &Frame, query: &[u8], types: Oids<'_>) -> Option<Key> {
        let timely = [&b"'now"[..], b"'today", b"'tomorrow", b"'yesterday"];
        let refers = matches!(kind, Kind::Execute(_));
        if refers
            || !self.core.session.cache.is_fresh()
            || timely.iter().any(|word| contains(query, word))
        {
            return None;
        }
        let types = frame.part(types.as_bytes());
        let settings = self.client.settings.fingerprint();
        Some((frame.part(query), types, settings))
    }

    /// A statement that executes another may have been prepared when that one was not there, or was another: then it
    /// is prepared again.
    pub(super) fn renewed(&mut self, own: &[u8], prepared: Arc<Prepared>) -> Arc<Prepared> {
        let Ok(Some(executes)) = self.executed_by(&prepared.kind) else {
            return prepared;
        };
        let executes = Some(executes);
        if prepared.executes == executes || !is_private(&prepared) {
            return prepared;
        }
        let physical = self.core.session.cache.name();
        let sql = prepared.sql.clone();
        let query = Self::with_own_names(&prepared.kind, &sql, &sql, executes.as_deref());
        let frames = self.core.session.extended();
        to_server::parse(frames, &physical, &query, Oids::NONE);
        to_server::close(frames, Target::Statement(&prepared.name));
        let belongings = &mut self.core.belongings;
        belongings.statement(self.client.id, &physical);
        let renewed = Arc::new(Prepared {
            name: physical,
            kind: prepared.kind.clone(),
            sql,
            described: OnceLock::new(),
            executes,
            shared: false,
        });
        let undo = Undo::Statement(own.into(), Some(Arc::clone(&prepared)));
        self.steps.push_back(Step {
            what: What::Quiet,
            undo: Some(undo),
        });
        self.steps.push_back(Step::of(What::Forget(prepared)));
        let statements = &mut self.client.statements;
        statements.insert(own.into(), Arc::clone(&renewed));
        renewed
    }

    /// The client uses this name for something else.
    fn forget(&mut self, name: &[u8]) {
        let Some(old) = self.client.statements.remove(name) else {
            return;
        };
        let undo = Some(Undo::Statement(name.into(), Some(Arc::clone(&old))));
        if is_private(&old) {
            self.enter();
            to_server::close(self.core.session.extended(), Target::Statement(&old.name));
            let what = What::Forget(old);
            self.steps.push_back(Step { what, undo });
        } else {
            let what = What::Ours(Bytes::new());
            self.steps.push_back(Step { what, undo });
        }
    }
}

/// Whether the server looks into its catalog when it is prepared.
fn is_analyzed(kind: &Kind, text: &[u8]) -> bool {
    let starts = |word: &&[u8]| {
        let start = text.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    match kind {
        Kind::Configure(_) | Kind::Declare { .. } | Kind::Call => true,
        Kind::Other => QUERIES.iter().any(starts),
        _ => false,
    }
}
