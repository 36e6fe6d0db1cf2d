//! Names that all connections of a session share, though each is to have its own.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::{Target, to_client, to_server};
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::sql::{Kind, Name};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

impl Batch<'_> {
    /// `PREPARE name`
    pub(super) async fn prepare(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        if self.client.statements.contains_key(name.as_bytes()) {
            let message = format!("prepared statement \"{name}\" already exists");
            return self.error("42P05", &message, None).await;
        }
        let physical: Box<[u8]> = match self.core.names.get(name.as_bytes()) {
            None => name.as_bytes().into(),
            Some(_) => self.core.session.cache.name(),
        };
        self.core.session.prepared_by_sql = true;
        if self.run(&renamed(sql, name, &physical)).await? {
            self.core.names.insert(physical.clone(), self.client.id);
            self.core.belongings.statement(self.client.id, &physical);
            let prepared = Prepared {
                name: physical,
                kind: Kind::Other,
                sql: Bytes::new(),
                described: OnceLock::new(),
                shared: false,
            };
            let name = name.as_bytes().into();
            self.client.statements.insert(name, Arc::new(prepared));
        }
        Ok(())
    }

    /// `EXECUTE name`, and what else names a prepared statement.
    pub(super) async fn execute(&mut self, name: &Name, sql: &[u8]) -> Result<(), Lost> {
        match self.client.statements.get(name.as_bytes()).cloned() {
            Some(prepared) => {
                self.run(&renamed(sql, name, &prepared.name)).await?;
                Ok(())
            }
            None => self.no_statement(name.as_bytes()).await,
        }
    }

    /// `DEALLOCATE`
    pub(super) async fn deallocate(&mut self, name: Option<&Name>) -> Result<(), Lost> {
        let Some(name) = name else {
            let all: Vec<_> = self.client.statements.drain().collect();
            for (_, prepared) in all {
                self.free(&prepared);
            }
            to_client::command_complete(self.out(), "DEALLOCATE ALL");
            return Ok(());
        };
        match self.client.statements.remove(name.as_bytes()) {
            Some(prepared) => {
                self.free(&prepared);
                to_client::command_complete(self.out(), "DEALLOCATE");
                Ok(())
            }
            None => self.no_statement(name.as_bytes()).await,
        }
    }

    /// A text that names other prepared statements, with the names they have on the server.
    pub(super) fn with_own_names<'q>(
        &self,
        kind: &Kind,
        query: &'q [u8],
        text: &[u8],
    ) -> Result<Cow<'q, [u8]>, Box<[u8]>> {
        let Kind::Execute(name) = kind else {
            return Ok(Cow::Borrowed(query));
        };
        match self.client.statements.get(name.as_bytes()) {
            Some(prepared) => Ok(Cow::Owned(renamed(text, name, &prepared.name))),
            None => Err(name.as_bytes().into()),
        }
    }

    /// A statement that nobody uses any more.
    pub(super) fn free(&mut self, prepared: &Prepared) {
        if prepared.shared || prepared.name.is_empty() {
            return;
        }
        self.core.names.remove(&prepared.name);
        self.core.belongings.freed(self.client.id, &prepared.name);
        let mut frames = BytesMut::new();
        to_server::close(&mut frames, Target::Statement(&prepared.name));
        self.core.session.internal_frames(&frames);
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
        for (name, prepared) in &self.client.statements {
            if prepared.name.is_empty() {
                continue;
            }
            let physical = format!("\"{}\"", String::from_utf8_lossy(&prepared.name));
            if text.contains(&physical) {
                let own = format!("\"{}\"", String::from_utf8_lossy(name));
                text = text.replace(&physical, &own);
            }
        }
        text.into_bytes()
    }
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
