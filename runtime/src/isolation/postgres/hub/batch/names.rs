//! Names that all connections of a session share, though each is to have its own.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::{Target, to_server};
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::sql::{Kind, Name};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A name on the server, for as long as it takes to see whether a statement can be prepared.
const PREPARED: [u8; 15] = *b"heirloom_unused";

impl Batch<'_> {
    /// `PREPARE name`
    pub(super) async fn prepare(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        if let Some(old) = self.client.statements.get(name.as_bytes()).cloned() {
            return self.prepare_again(name, sql, &old).await;
        }
        let physical: Box<[u8]> = match self.core.names.get(name.as_bytes()) {
            None => name.as_bytes().into(),
            Some(_) => self.core.session.cache.name(),
        };
        self.core.session.prepared_by_sql = true;
        self.shift = shift(name, &physical);
        if self.run(&renamed(sql, name, &physical)).await? {
            self.core.names.insert(physical.clone(), self.client.id);
            self.core.belongings.statement(self.client.id, &physical);
            let prepared = Prepared {
                name: physical,
                kind: Kind::Other,
                sql: Bytes::new(),
                described: OnceLock::new(),
                executes: None,
                shared: false,
            };
            let name = name.as_bytes().into();
            self.client.statements.insert(name, Arc::new(prepared));
        }
        self.shift = None;
        Ok(())
    }

    /// By a name that is taken: the server says so last, after all else that is wrong with it.
    async fn prepare_again(&mut self, name: &Name, sql: &[u8], old: &Prepared) -> Result<(), Lost> {
        let physical = if old.name.is_empty() {
            &PREPARED[..]
        } else {
            &old.name
        };
        self.shift = shift(name, physical);
        if self.run(&renamed(sql, name, physical)).await? {
            // The other one is ours alone.
            let message = format!("prepared statement \"{name}\" already exists");
            self.error("42P05", &message, None).await?;
            let mut frames = BytesMut::new();
            to_server::close(&mut frames, Target::Statement(physical));
            self.core.session.internal_frames(&frames);
        }
        self.shift = None;
        Ok(())
    }

    /// `EXECUTE name`, and what else names a prepared statement.
    pub(super) async fn execute(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        match self.client.statements.get(name.as_bytes()).cloned() {
            Some(prepared) => {
                self.shift = shift(name, &prepared.name);
                self.executing = true;
                self.run(&renamed(sql, name, &prepared.name)).await?;
                (self.executing, self.shift) = (false, None);
                Ok(())
            }
            None => self.no_statement(name.as_bytes()).await,
        }
    }

    /// `DEALLOCATE`
    pub(super) async fn deallocate(&mut self, name: Option<&Name>) -> Result<(), Lost> {
        let Some(name) = name else {
            // The one without a name is none of SQL's.
            let named = |name: &[u8]| !name.is_empty();
            let all = self.client.statements.extract_if(|name, _| named(name));
            for (_, prepared) in all.collect::<Vec<_>>() {
                self.free(&prepared);
            }
            self.done("DEALLOCATE ALL");
            return Ok(());
        };
        match self.client.statements.remove(name.as_bytes()) {
            Some(prepared) => {
                self.free(&prepared);
                self.done("DEALLOCATE");
                Ok(())
            }
            None => self.no_statement(name.as_bytes()).await,
        }
    }

    /// The name on the server of the statement that another one executes. There may be none yet: the server looks for it
    /// only when it is executed.
    pub(super) fn executed_by(&self, kind: &Kind) -> Result<Option<Box<[u8]>>, Box<[u8]>> {
        let Kind::Execute(name) = kind else {
            return Ok(None);
        };
        match self.client.statements.get(name.as_bytes()) {
            Some(prepared) => Ok(Some(prepared.name.clone())),
            None if self.core.names.contains_key(name.as_bytes()) => Err(name.as_bytes().into()),
            None => Ok(None),
        }
    }

    /// A query whose one statement is a text that names another prepared statement, with the name that it has on the
    /// server.
    pub(super) fn with_own_names<'q>(
        kind: &Kind,
        query: &'q [u8],
        text: &[u8],
        executes: Option<&[u8]>,
    ) -> Cow<'q, [u8]> {
        let (Kind::Execute(name), Some(physical)) = (kind, executes) else {
            return Cow::Borrowed(query);
        };
        let mut windows = query.windows(text.len().max(1));
        let at = windows.position(|window| window == text).unwrap_or(0);
        let blanks = query[..at].iter().filter(|&&byte| byte & 0xc0 != 0x80);
        let mut own = vec![b' '; blanks.count()];
        own.extend(renamed(text, name, physical));
        Cow::Owned(own)
    }

    /// A statement that nobody uses any more.
    pub(super) fn free(&mut self, prepared: &Prepared) {
        if prepared.shared || prepared.name.is_empty() {
            return;
        }
        self.is_freed(prepared);
        let mut frames = BytesMut::new();
        to_server::close(&mut frames, Target::Statement(&prepared.name));
        self.core.session.internal_frames(&frames);
    }

    pub(super) fn is_freed(&mut self, prepared: &Prepared) {
        self.core.names.remove(&prepared.name);
        self.core.belongings.freed(self.client.id, &prepared.name);
    }

    pub(super) async fn no_statement(&mut self, name: &[u8]) -> Result<(), Lost> {
        let message = if name.is_empty() {
            "unnamed prepared statement does not exist".to_owned()
        } else {
            let name = String::from_utf8_lossy(name);
            format!("prepared statement \"{name}\" does not exist")
        };
        self.error("26000", &message, None).await
    }

    /// A message with the client's own names in it.
    pub(super) fn own_names(&self, message: &[u8]) -> Vec<u8> {
        let mut text = String::from_utf8_lossy(message).into_owned();
        let naming = self.naming.iter().map(|(physical, own)| (own, physical));
        let all = self.client.statements.iter();
        let all = all.map(|(own, prepared)| (own, &prepared.name));
        for (name, physical) in naming.chain(all) {
            if physical.is_empty() {
                continue;
            }
            let physical = format!("\"{}\"", String::from_utf8_lossy(physical));
            if text.contains(&physical) {
                let own = format!("\"{}\"", String::from_utf8_lossy(name));
                text = text.replace(&physical, &own);
            }
        }
        text.into_bytes()
    }
}

/// Where a name ends as the client wrote it, and how much longer it is on the server.
pub(super) fn shift(name: &Name, physical: &[u8]) -> Option<(usize, usize)> {
    let at = name.at();
    let longer = super::transaction::quoted(physical)
        .len()
        .checked_sub(at.len());
    longer
        .filter(|_| name.as_bytes() != physical)
        .map(|longer| (at.end, longer))
}

/// A statement with another name in the place of this one.
fn renamed(sql: &[u8], name: &Name, physical: &[u8]) -> Vec<u8> {
    if name.as_bytes() == physical {
        return sql.to_vec();
    }
    let at = name.at();
    let mut renamed = sql[..at.start].to_vec();
    renamed.extend(super::transaction::quoted(physical));
    renamed.extend_from_slice(&sql[at.end..]);
    renamed
}
