//! A connection's settings, kept as the statements that make them so.

#[cfg(test)]
mod tests;

use super::sql::{Assigned, Scope, Setting};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a connection has set, by name. Cheap to clone: transactions keep what held before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(Arc<Statements>);

/// By the names of what they set.
type Statements = BTreeMap<Box<[u8]>, Arc<[u8]>>;

impl Settings {
    /// Takes a setting as its statement makes it.
    pub(crate) fn set(&mut self, name: &[u8], statement: &[u8]) {
        Arc::make_mut(&mut self.0).insert(name.into(), statement.into());
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        if self.0.contains_key(name) {
            Arc::make_mut(&mut self.0).remove(name);
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.get(name).map(|statement| &**statement)
    }

    /// The names, and the statements that make them so.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, statement)| (&**name, &**statement))
    }

    /// Whether the two are one and the same, or alike.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }

    /// The statements that turn these settings into those, `RESET` first, as that may be about the role.
    pub(crate) fn statements_to(&self, those: &Self) -> Vec<Vec<u8>> {
        let resets = self.0.keys().filter(|name| !those.0.contains_key(*name));
        let mut statements: Vec<_> = resets.map(|name| reset(name)).collect();
        let sets = those.0.iter();
        let differing = sets.filter(|(name, statement)| self.0.get(*name) != Some(statement));
        statements.extend(differing.map(|(_, statement)| statement.to_vec()));
        statements
    }

    /// What is left after `RESET ALL`: what the connection began with, and who it is.
    pub(crate) fn after_reset_all(&self, base: &Self) -> Self {
        let mut left = base.clone();
        for name in [&b"role"[..], b"session_authorization"] {
            if let Some(statement) = self.get(name) {
                left.set(name, statement);
            }
        }
        left
    }

    /// What statements are read under, for telling apart those that were prepared.
    pub(crate) fn fingerprint(&self) -> Arc<[u8]> {
        self.0
            .values()
            .flat_map(|statement| statement.iter().copied().chain([0]))
            .collect()
    }
}

/// What a session sets for itself at its start, so that the server's RESET would take it away.
///
/// A statement waits for a lock that somebody else holds, as another test, for 10 s: less than the 30 s for which sqlx waits
/// for a connection, so that the server's error comes first. An idle transaction is what a session is.
pub(crate) const OWN: [(&[u8], &[u8]); 2] = [
    (b"lock_timeout", b"SET lock_timeout = 10000"),
    (
        b"idle_in_transaction_session_timeout",
        b"SET idle_in_transaction_session_timeout = 0",
    ),
];

/// What takes the place of a RESET.
pub(crate) fn own_default(name: &[u8]) -> Option<&'static [u8]> {
    let own = OWN.iter().find(|(own, _)| *own == name);
    own.map(|(_, statement)| *statement)
}

/// `RESET name`, for the names of [`Setting`].
pub(crate) fn reset(name: &[u8]) -> Vec<u8> {
    if let Some(own) = own_default(name) {
        return own.to_vec();
    }
    match name {
        // Its name in `RESET` is another one.
        b"session_authorization" => b"RESET SESSION AUTHORIZATION".to_vec(),
        b"role" => b"RESET ROLE".to_vec(),
        name => {
            let mut sql = b"RESET ".to_vec();
            for (at, part) in name.split(|&byte| byte == b'.').enumerate() {
                if at > 0 {
                    sql.push(b'.');
                }
                sql.push(b'"');
                sql.extend(part.iter().filter(|&&byte| byte != b'"'));
                sql.push(b'"');
            }
            sql
        }
    }
}

/// Whether a statement that makes a setting so turns it on.
pub(crate) fn is_on(statement: &[u8]) -> bool {
    let statement = statement.strip_suffix(b",false)").unwrap_or(statement);
    let statement = statement.trim_ascii_end();
    let statement = statement.strip_suffix(b"'").unwrap_or(statement);
    let ends = |byte: &u8| !byte.is_ascii_alphanumeric();
    let start = statement.iter().rposition(ends).map_or(0, |at| at + 1);
    let word = statement[start..].to_ascii_lowercase();
    [&b"on"[..], b"true", b"yes", b"1", b"t", b"y"].contains(&&*word)
}

/// A statement as [`assign`] makes it, for the transaction only.
pub(crate) fn locally(statement: &[u8]) -> Vec<u8> {
    match statement.strip_suffix(b",false)") {
        Some(call) => [call, b",true)"].concat(),
        None => statement.to_vec(),
    }
}

/// A setting that is given as a value, as at the start of a connection.
pub(crate) fn assign(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sql = b"SELECT pg_catalog.set_config(".to_vec();
    literal(&mut sql, name);
    sql.push(b',');
    literal(&mut sql, value);
    sql.extend(b",false)");
    sql
}

/// A string, whatever `standard_conforming_strings` is.
pub(crate) fn literal(sql: &mut Vec<u8>, text: &[u8]) {
    sql.extend(b"E'");
    for &byte in text {
        if matches!(byte, b'\'' | b'\\') {
            sql.push(byte);
        }
        sql.push(byte);
    }
    sql.push(b'\'');
}

/// What a `SET` that worked does to the connection's settings. One that is local does nothing beyond its transaction.
pub(crate) fn apply(settings: &mut Settings, base: &Settings, setting: &Setting, sql: &[u8]) {
    if setting.scope == Scope::Local {
        return;
    }
    let name = setting.name.as_bytes();
    match (&setting.to, base.get(name)) {
        (Assigned::Written(_), _) => settings.set(name, sql),
        (Assigned::Default, Some(at_start)) => settings.set(name, at_start),
        (Assigned::Default, None) => settings.remove(name),
        (Assigned::Current, _) => {}
    }
}
