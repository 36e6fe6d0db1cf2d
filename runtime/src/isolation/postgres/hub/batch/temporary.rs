//! Temporary tables, of which something becomes when transactions end: here they never do.

use super::Batch;
use crate::isolation::postgres::sql::{AtCommit, Name, contains};
use crate::isolation::postgres::stack::Guard;

impl Batch<'_> {
    /// Takes note of what a connection may leave behind.
    pub(super) fn remember(&mut self, sql: &[u8]) {
        if contains(sql, b"temp") {
            self.core.belongings.temporary(self.client.id);
        }
    }

    /// `CREATE TEMP TABLE` has worked.
    pub(super) fn made_temporary(&mut self, table: &Name, at_commit: Option<AtCommit>) {
        if self.skipped {
            return;
        }
        let all = &mut self.client.temporaries;
        if at_commit.is_some() || !all.is_empty() {
            all.push((table.as_bytes().into(), at_commit));
        }
    }

    /// What may only read does so up to the end of its savepoint.
    fn leave_savepoint(&mut self) {
        if let Guard::Fresh(savepoint) | Guard::Used(savepoint) = self.core.stack.guard {
            let sql = format!("RELEASE {savepoint}");
            self.core.session.internal(sql.into_bytes());
            self.core.stack.guard = Guard::None;
            self.guarded = false;
        }
    }

    /// Does what becomes of temporary tables at the end of a transaction, which is this then.
    pub(super) fn end_temporaries(&mut self) {
        if self.client.temporaries.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.client.temporaries);
        let mut kept: Vec<(Box<[u8]>, Option<AtCommit>)> = Vec::new();
        for (table, at_commit) in all {
            kept.retain(|(other, _)| *other != table);
            kept.push((table, at_commit));
        }
        if kept.iter().any(|(_, at_commit)| at_commit.is_some()) {
            self.leave_savepoint();
        }
        for (table, at_commit) in &kept {
            let name = super::transaction::quoted(table);
            let name = String::from_utf8_lossy(&name);
            let sql = match at_commit {
                Some(AtCommit::Drop) => format!("DROP TABLE IF EXISTS pg_temp.{name} CASCADE"),
                Some(AtCommit::DeleteRows) => delete_rows(&name),
                None => continue,
            };
            let sql = self.unrestricted(&sql);
            self.core.session.internal(sql);
        }
        kept.retain(|(_, at_commit)| *at_commit == Some(AtCommit::DeleteRows));
        self.client.temporaries = kept;
        self.temporaries = self.client.temporaries.len();
    }
}

/// If the table is still there.
fn delete_rows(name: &str) -> String {
    let quoted = name.replace('\'', "''");
    format!(
        "DO $heirloom$BEGIN IF pg_catalog.to_regclass('pg_temp.{quoted}') IS NOT NULL THEN TRUNCATE pg_temp.{name}; END IF; END$heirloom$"
    )
}
