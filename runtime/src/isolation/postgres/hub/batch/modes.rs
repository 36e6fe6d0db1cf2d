//! What a transaction may do: whether it only reads, and at which isolation level it would be.

use super::{Batch, Lost};
use crate::isolation::postgres::settings::is_on;
use crate::isolation::postgres::sql::{Isolation, Modes, Scope, Setting};
use crate::isolation::postgres::stack::Mark;

/// The setting that makes every transaction read-only.
pub(super) const READ_ONLY: &[u8] = b"default_transaction_read_only";

impl Batch<'_> {
    /// Of transactions of this connection that say nothing else.
    pub(super) fn usual_modes(&self) -> Modes {
        Modes {
            isolation: Some(Isolation::ReadCommitted),
            read_only: Some(self.only_reads()),
            deferrable: None,
        }
    }

    /// Whether the connection's statements only read, unless their transaction says otherwise.
    pub(super) fn only_reads(&self) -> bool {
        // What was set since the statement's transaction began is about the next one.
        let settings = if self.guarded {
            &self.before
        } else {
            &self.client.settings
        };
        settings.get(READ_ONLY).is_some_and(is_on)
    }

    /// The modes of the transaction that the next statement is in.
    pub(super) fn present_modes(&mut self) -> Modes {
        let usual = self.modes.unwrap_or_else(|| self.usual_modes());
        let own = self.core.stack.of(self.client.id);
        own.map_or(usual, |open| open.modes)
    }

    /// What COMMIT and ROLLBACK hand on to the transaction that they begin.
    pub(super) fn chained_modes(&mut self) -> Modes {
        if self.is_doomed() {
            return self.usual_modes();
        }
        self.present_modes()
    }

    /// Whether a query was run already where the next statement is, and whether that is within a savepoint.
    fn progress(&mut self) -> (bool, bool) {
        let ran = self.ran;
        match self.core.stack.of(self.client.id) {
            Some(open) => (open.ran, open.marks.len() > 1),
            None => (ran, false),
        }
    }

    /// Why the server would not change the modes to these.
    pub(super) fn refused_modes(&mut self, modes: Modes) -> Option<&'static str> {
        let present = self.present_modes();
        let (ran, within) = self.progress();
        if modes.isolation.is_some() && modes.isolation != present.isolation {
            if ran {
                return Some("SET TRANSACTION ISOLATION LEVEL must be called before any query");
            }
            if within {
                return Some(
                    "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                );
            }
        }
        if modes.read_only == Some(false) && present.read_only == Some(true) {
            if within {
                return Some(
                    "cannot set transaction read-write mode inside a read-only transaction",
                );
            }
            if ran {
                return Some("transaction read-write mode must be set before any query");
            }
        }
        if modes.deferrable.is_some() && within {
            return Some(
                "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction",
            );
        }
        if modes.deferrable.is_some() && ran {
            return Some("SET TRANSACTION [NOT] DEFERRABLE must be called before any query");
        }
        None
    }

    /// `SET TRANSACTION`
    pub(super) async fn set_transaction(&mut self, modes: Modes) -> Result<(), Lost> {
        if !self.in_any_block() {
            self.warn(
                "25P01",
                "SET TRANSACTION can only be used in transaction blocks",
            );
        }
        if let Some(why) = self.refused_modes(modes) {
            return self.error("25001", why, None).await;
        }
        self.change_modes(modes);
        self.done("SET");
        Ok(())
    }

    /// Among the connections of one session there are no levels, and from the outside nothing is ever committed: the
    /// level is only remembered.
    pub(super) fn change_modes(&mut self, modes: Modes) {
        let present = self.present_modes();
        match (present.read_only, modes.read_only) {
            (Some(false), Some(true)) => {
                self.enter();
                let sql = b"SET TRANSACTION READ ONLY".to_vec();
                self.core.session.internal(sql);
            }
            (Some(true), Some(false)) => self.write_again(),
            _ => {}
        }
        let changed = Modes {
            isolation: modes.isolation.or(present.isolation),
            read_only: modes.read_only.or(present.read_only),
            deferrable: present.deferrable,
        };
        match self.core.stack.of(self.client.id) {
            Some(open) => open.modes = changed,
            None => self.modes = Some(changed),
        }
    }

    /// The server has seen a query in its transaction long ago, so it cannot be told. But nothing was run in this one
    /// yet: it may begin anew.
    fn write_again(&mut self) {
        let Some(open) = self.core.stack.of(self.client.id) else {
            return;
        };
        let (savepoint, deferring) = (open.savepoint, open.deferring);
        let Mark { applied, .. } = open.marks[0].clone();
        self.roll_back_to(savepoint.to_string().into_bytes());
        let own = self.client.settings.clone();
        self.restore(&applied, &own);
        if deferring {
            self.defer_again();
        }
    }

    /// The modes have names as settings as well; `None` if it is another setting.
    pub(super) fn modes_by_name(setting: &Setting, sql: &[u8]) -> Option<Modes> {
        let mut modes = Modes::default();
        match setting.name.as_bytes() {
            b"transaction_read_only" => modes.read_only = Some(is_on(sql)),
            b"transaction_isolation" => modes.isolation = level(sql),
            b"transaction_deferrable" => {}
            _ => return None,
        }
        Some(modes)
    }

    /// `SET transaction_read_only = …`, which holds for one transaction however it is said.
    pub(super) async fn set_modes(&mut self, modes: Modes, setting: &Setting) -> Result<(), Lost> {
        if !self.in_any_block() && setting.scope == Scope::Local {
            self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
        }
        if let Some(why) = self.refused_modes(modes) {
            return self.error("25001", why, None).await;
        }
        self.change_modes(modes);
        self.done("SET");
        Ok(())
    }

    /// `SET SESSION CHARACTERISTICS AS TRANSACTION …`
    pub(super) async fn set_characteristics(
        &mut self,
        modes: Modes,
        sql: &[u8],
    ) -> Result<(), Lost> {
        if !self.run(sql).await? {
            return Ok(());
        }
        let settings = &mut self.client.settings;
        if let Some(on) = modes.read_only {
            let statement = format!("SET default_transaction_read_only = {}", on_or_off(on));
            settings.set(READ_ONLY, statement.as_bytes());
        }
        if let Some(on) = modes.deferrable {
            let statement = format!("SET default_transaction_deferrable = {}", on_or_off(on));
            settings.set(b"default_transaction_deferrable", statement.as_bytes());
        }
        if let Some(isolation) = modes.isolation {
            let name = b"default_transaction_isolation";
            let statement = format!("SET default_transaction_isolation = '{}'", words(isolation));
            settings.set(name, statement.as_bytes());
        }
        self.core.session.applied = self.client.settings.clone();
        Ok(())
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn words(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadUncommitted => "read uncommitted",
        Isolation::ReadCommitted => "read committed",
        Isolation::RepeatableRead => "repeatable read",
        Isolation::Serializable => "serializable",
    }
}

/// The level that a statement ends with.
fn level(sql: &[u8]) -> Option<Isolation> {
    let text = String::from_utf8_lossy(sql).to_ascii_lowercase();
    let text = text.trim_end().trim_end_matches('\'');
    [
        Isolation::ReadUncommitted,
        Isolation::ReadCommitted,
        Isolation::RepeatableRead,
        Isolation::Serializable,
    ]
    .into_iter()
    .find(|&isolation| text.ends_with(words(isolation)))
}
