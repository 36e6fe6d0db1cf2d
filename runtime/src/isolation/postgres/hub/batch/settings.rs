//! SET, RESET and what else is said of the session.

use super::{Batch, Lost};
use crate::isolation::postgres::settings;
use crate::isolation::postgres::sql::{Name, Scope, Setting};

/// Settings that a rollback does not make as they were: afterwards they are there, and empty.
fn is_custom(name: &[u8]) -> bool {
    name.contains(&b'.')
}

impl Batch<'_> {
    pub(super) async fn set(&mut self, setting: &Setting, sql: &[u8]) -> Result<(), Lost> {
        let name = setting.name.as_bytes();
        self.core.session.spoilt |= is_custom(name) || name == b"seed";
        if setting.scope == Scope::Local {
            return self.set_local(name, sql).await;
        }
        if self.run(sql).await? {
            let base = self.client.base.clone();
            settings::apply(&mut self.client.settings, &base, setting, sql);
            self.core.session.applied = self.client.settings.clone();
        }
        Ok(())
    }

    /// Outside of a transaction it holds for no time at all.
    pub(super) async fn set_local(&mut self, name: &[u8], sql: &[u8]) -> Result<(), Lost> {
        if self.in_block() {
            if self.run(sql).await?
                && let Some(open) = self.core.stack.of(self.client.id)
            {
                open.locals.push(name.into());
            }
            return Ok(());
        }
        if self.implicit {
            self.locals.push(name.into());
            self.run(sql).await?;
            return Ok(());
        }
        self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
        if self.run(sql).await?
            && let Some(savepoint) = self.guard()
        {
            self.roll_back_to(savepoint.to_string().into_bytes());
            self.unsettled = true;
        }
        Ok(())
    }

    /// At the end of a transaction: what was set for it only is as the connection has it.
    pub(super) fn unset_locals(&mut self, locals: &[Box<[u8]>]) {
        for name in locals {
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
        match name {
            Some(name) => match base.get(name.as_bytes()) {
                Some(at_start) => {
                    let at_start = at_start.to_vec();
                    self.client.settings.set(name.as_bytes(), &at_start);
                    self.core.session.internal(at_start);
                }
                None => self.client.settings.remove(name.as_bytes()),
            },
            None => {
                for statement in settings::Settings::default().statements_to(&base) {
                    self.core.session.internal(statement);
                }
                self.client.settings = self.client.settings.after_reset_all(&base);
            }
        }
        self.core.session.applied = self.client.settings.clone();
        self.unsettled = true;
        Ok(())
    }
}
