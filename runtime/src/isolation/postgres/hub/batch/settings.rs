//! SET, RESET and what else is said of the session.

use super::{Batch, Lost};
use crate::isolation::postgres::settings;
use crate::isolation::postgres::sql::{Assigned, Configured, Name, Scope, Setting};

/// Settings that a rollback does not make as they were: afterwards they are there, and empty.
fn is_custom(name: &[u8]) -> bool {
    name.contains(&b'.')
}

impl Batch<'_> {
    pub(super) async fn set(&mut self, setting: &Setting, sql: &[u8]) -> Result<(), Lost> {
        let name = setting.name.as_bytes();
        if let Some(modes) = Self::modes_by_name(setting, sql) {
            return self.set_modes(modes, setting).await;
        }
        self.core.session.spoilt |= is_custom(name) || name == b"seed";
        if setting.scope == Scope::Local {
            return self.set_local(setting, sql).await;
        }
        if self.run(sql).await? {
            let base = self.client.base.clone();
            settings::apply(&mut self.client.settings, &base, setting, sql);
            self.core.session.applied = self.client.settings.clone();
            if setting.to == Assigned::Default {
                self.put_at_start(name, false);
            }
        }
        Ok(())
    }

    /// The default of a connection is what it began with, of which the session does not know.
    fn put_at_start(&mut self, name: &[u8], local: bool) {
        let at_start = self.client.base.get(name);
        if let Some(at_start) = at_start.or(settings::own_default(name)) {
            let sql = if local {
                settings::locally(at_start)
            } else {
                at_start.to_vec()
            };
            self.core.session.internal(sql);
            self.unsettled = true;
        }
    }

    /// Outside of a transaction it holds for no time at all.
    async fn set_local(&mut self, setting: &Setting, sql: &[u8]) -> Result<(), Lost> {
        let name = setting.name.as_bytes();
        if !self.in_any_block() {
            self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
        }
        if self.run(sql).await? {
            if setting.to == Assigned::Default {
                self.put_at_start(name, true);
            }
            self.is_local(name, sql.to_vec());
        }
        Ok(())
    }

    /// A setting holds until the end of the transaction.
    fn is_local(&mut self, name: &[u8], sql: Vec<u8>) {
        let local = (name.into(), sql);
        match self.core.stack.of(self.client.id) {
            Some(open) => open.locals.push(local),
            None => self.locals.push(local),
        }
    }

    /// A query has called `set_config`.
    pub(super) fn configured(&mut self, calls: &[Configured]) {
        for call in calls {
            self.core.session.spoilt |= is_custom(&call.name);
            self.unsettled = true;
            match &call.value {
                Some(value) if call.local => {
                    let sql = settings::locally(&settings::assign(&call.name, value));
                    self.is_local(&call.name, sql);
                }
                None if call.local => self.is_local(&call.name, Vec::new()),
                None => self.unknown.push(call.name.clone()),
                Some(value) => {
                    let sql = settings::assign(&call.name, value);
                    self.client.settings.set(&call.name, &sql);
                    self.core.session.applied = self.client.settings.clone();
                }
            }
        }
    }

    /// Asks for what `set_config` has set where that is not written in the query.
    pub(super) async fn learn(&mut self) -> Result<(), Lost> {
        for name in std::mem::take(&mut self.unknown) {
            let mut sql = b"SELECT pg_catalog.current_setting(".to_vec();
            settings::literal(&mut sql, &name);
            sql.extend(b",true)");
            if let Some(value) = self.ask(&sql).await?.pop() {
                let sql = settings::assign(&name, &value);
                self.client.settings.set(&name, &sql);
                self.core.session.applied = self.client.settings.clone();
            }
        }
        Ok(())
    }

    /// Rows of one column that the server can always tell.
    pub(super) async fn ask(&mut self, sql: &[u8]) -> Result<Vec<Vec<u8>>, Lost> {
        self.core.session.query(sql);
        self.asking = true;
        let mut rows = Vec::new();
        loop {
            let frame = self.next().await?;
            let view = frame.view();
            match view.tag() {
                b'Z' => {
                    self.asking = false;
                    return Ok(rows);
                }
                // One column: its count, its length, its text.
                b'D' => rows.extend(view.body().get(6..).map(<[u8]>::to_vec)),
                b'E' => {
                    let what = String::from_utf8_lossy(sql).into_owned();
                    return Err(Lost::Protocol(what));
                }
                _ => {}
            }
        }
    }

    /// At the end of a transaction: what was set for it only is as the connection has it.
    pub(super) fn unset_locals(&mut self, locals: &[(Box<[u8]>, Vec<u8>)]) {
        for (name, _) in locals {
            let own = self.client.settings.get(name).map(<[u8]>::to_vec);
            let sql = own.unwrap_or_else(|| settings::reset(name));
            self.core.session.internal(sql);
            self.unsettled = true;
        }
    }

    /// To what the connection began with, which the session may not have.
    pub(super) async fn reset(&mut self, name: Option<&Name>, sql: &[u8]) -> Result<(), Lost> {
        if !self.run(sql).await? {
            return Ok(());
        }
        let base = self.client.base.clone();
        if let Some(name) = name {
            if let Some(at_start) = base.get(name.as_bytes()) {
                self.client.settings.set(name.as_bytes(), at_start);
                self.core.session.internal(at_start.to_vec());
            } else {
                self.client.settings.remove(name.as_bytes());
                if let Some(own) = settings::own_default(name.as_bytes()) {
                    self.core.session.internal(own.to_vec());
                }
            }
        } else {
            for (_, own) in settings::OWN {
                self.core.session.internal(own.to_vec());
            }
            for statement in settings::Settings::default().statements_to(&base) {
                self.core.session.internal(statement);
            }
            self.client.settings = self.client.settings.after_reset_all(&base);
        }
        self.core.session.applied = self.client.settings.clone();
        self.unsettled = true;
        Ok(())
    }
}
