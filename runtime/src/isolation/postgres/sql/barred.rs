//! Definitions, and which of them cannot run in a transaction block.
//!
//! Barred is what the server refuses (25001) in a transaction block for its syntax alone; where it looks into its
//! catalog first, the statement is sent and the server says. All were tried on server 15.

use super::kind::{AtCommit, Kind};
use super::tokens::Tokens;

/// `CREATE …`
pub(super) fn create(tokens: &mut Tokens<'_>) -> Kind {
    if tokens.took("database") {
        return Kind::Barred("CREATE DATABASE");
    }
    if tokens.took("tablespace") {
        return Kind::Barred("CREATE TABLESPACE");
    }
    if tokens.took("subscription") {
        return create_subscription(tokens);
    }
    tokens.took_any(&["global", "local"]);
    if tokens.took_any(&["temp", "temporary"]) {
        return temporary(tokens).unwrap_or(Kind::Ddl);
    }
    tokens.took("unique");
    if tokens.took_all(&["index", "concurrently"]) {
        Kind::Barred("CREATE INDEX CONCURRENTLY")
    } else {
        Kind::Ddl
    }
}

/// `TABLE [IF NOT EXISTS] name … [ON COMMIT {PRESERVE ROWS | DELETE ROWS | DROP}] …`
fn temporary(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.keyword("table")?;
    tokens.took_all(&["if", "not", "exists"]);
    let table = tokens.path()?.pop()?;
    let mut at_commit = None;
    while tokens.more().is_some() {
        if !tokens.took_all(&["on", "commit"]) {
            tokens.take();
        } else if tokens.took("drop") {
            at_commit = Some(AtCommit::Drop);
        } else if tokens.took_all(&["delete", "rows"]) {
            at_commit = Some(AtCommit::DeleteRows);
        }
    }
    Some(Kind::Temporary { table, at_commit })
}

/// `DROP …`
pub(super) fn drop(tokens: &mut Tokens<'_>) -> Kind {
    if tokens.took("database") {
        Kind::Barred("DROP DATABASE")
    } else if tokens.took("tablespace") {
        Kind::Barred("DROP TABLESPACE")
    } else if tokens.took_all(&["index", "concurrently"]) {
        Kind::Barred("DROP INDEX CONCURRENTLY")
    } else {
        Kind::Ddl
    }
}

/// `ALTER …`
pub(super) fn alter(tokens: &mut Tokens<'_>) -> Kind {
    let barred = if tokens.took("system") {
        Some("ALTER SYSTEM")
    } else if tokens.took("database") {
        alter_database(tokens)
    } else if tokens.took("subscription") {
        alter_subscription(tokens)
    } else if tokens.took("table") {
        alter_table(tokens)
    } else {
        None
    };
    barred.map_or(Kind::Ddl, Kind::Barred)
}

/// `ALTER DATABASE name {SET TABLESPACE name | [WITH] TABLESPACE [=] name}`; after `SET` and with something behind it,
/// `tablespace` is a setting.
fn alter_database(tokens: &mut Tokens<'_>) -> Option<&'static str> {
    tokens.name()?;
    let set = tokens.took("set");
    if !set {
        tokens.took("with");
    }
    tokens.keyword("tablespace")?;
    if !set {
        tokens.took_symbol(b'=');
    }
    let moves = tokens.took("default") || tokens.name().is_some() || tokens.text().is_some();
    (moves && tokens.end().is_some()).then_some("ALTER DATABASE SET TABLESPACE")
}

/// `ALTER TABLE [IF EXISTS] [ONLY] name [*] DETACH PARTITION name CONCURRENTLY`
fn alter_table(tokens: &mut Tokens<'_>) -> Option<&'static str> {
    tokens.took_all(&["if", "exists"]);
    tokens.took("only");
    if !tokens.took_parentheses() {
        tokens.path()?;
        tokens.took_symbol(b'*');
    }
    tokens.took_all(&["detach", "partition"]).then_some(())?;
    tokens.path()?;
    tokens
        .took("concurrently")
        .then_some("ALTER TABLE ... DETACH CONCURRENTLY")
}

/// Barred as it makes a slot on the publisher, unless it is told not to.
fn create_subscription(tokens: &mut Tokens<'_>) -> Kind {
    let mut makes_slot = true;
    while tokens.take().is_some() {
        if tokens.took("with") {
            let keeps_off = |option: &Choice| {
                !option.on && [&b"create_slot"[..], b"connect"].contains(&&*option.name)
            };
            makes_slot = !choices(tokens).iter().any(keeps_off);
        }
    }
    if makes_slot {
        Kind::Barred("CREATE SUBSCRIPTION ... WITH (create_slot = true)")
    } else {
        Kind::Ddl
    }
}

/// `ALTER SUBSCRIPTION name {SET | ADD | DROP} PUBLICATION …`, which refresh unless they are told not to, and
/// `REFRESH PUBLICATION`.
fn alter_subscription(tokens: &mut Tokens<'_>) -> Option<&'static str> {
    tokens.name()?;
    if tokens.took_all(&["refresh", "publication"]) {
        return Some("ALTER SUBSCRIPTION ... REFRESH");
    }
    tokens.took_any(&["set", "add", "drop"]).then_some(())?;
    tokens.keyword("publication")?;
    while tokens.take().is_some() {
        if tokens.took("with") {
            let keeps_off = |option: &Choice| !option.on && &*option.name == b"refresh";
            if choices(tokens).iter().any(keeps_off) {
                return None;
            }
        }
    }
    Some("ALTER SUBSCRIPTION with refresh")
}

/// `REINDEX [(options)] {INDEX | TABLE | SCHEMA | DATABASE | SYSTEM} [CONCURRENTLY] …`
pub(super) fn reindex(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let options = choices(tokens);
    let option = options
        .iter()
        .rfind(|option| &*option.name == b"concurrently");
    let several = if tokens.took("schema") {
        Some("REINDEX SCHEMA")
    } else if tokens.took("database") {
        Some("REINDEX DATABASE")
    } else if tokens.took("system") {
        Some("REINDEX SYSTEM")
    } else {
        tokens.took_any(&["index", "table"]).then_some(())?;
        None
    };
    let concurrently = tokens.took("concurrently") || option.is_some_and(|option| option.on);
    let concurrently = concurrently.then_some("REINDEX CONCURRENTLY");
    let barred = concurrently.or(several);
    Some(barred.map_or(Kind::Other, Kind::Barred))
}

/// `CLUSTER [VERBOSE | (options)] [table …]`: without a table, all are clustered.
pub(super) fn cluster(tokens: &mut Tokens<'_>) -> Kind {
    if !tokens.took_parentheses() {
        tokens.took("verbose");
    }
    if tokens.end().is_some() {
        Kind::Barred("CLUSTER")
    } else {
        Kind::Other
    }
}

/// An option in parentheses, as far as it is on or off.
#[derive(Debug)]
struct Choice {
    name: Box<[u8]>,
    on: bool,
}

/// `(name [[=] value], …)`, if that is next.
fn choices(tokens: &mut Tokens<'_>) -> Vec<Choice> {
    let mut choices = Vec::new();
    if !tokens.took_symbol(b'(') {
        return choices;
    }
    while let Some(name) = tokens.label() {
        tokens.took_symbol(b'=');
        let value = option_value(tokens);
        let off = [&b"false"[..], b"off", b"0"]
            .iter()
            .any(|off| value.eq_ignore_ascii_case(off));
        choices.push(Choice {
            name: name.as_bytes().into(),
            on: !off,
        });
        if !tokens.took_symbol(b',') {
            break;
        }
    }
    tokens.took_symbol(b')');
    choices
}

/// A value in any of its spellings; empty where there is none.
fn option_value(tokens: &mut Tokens<'_>) -> Vec<u8> {
    if let Some(name) = tokens.label() {
        return name.as_bytes().to_vec();
    }
    if let Some(text) = tokens.text() {
        return text;
    }
    tokens.digits().unwrap_or_default().to_vec()
}
