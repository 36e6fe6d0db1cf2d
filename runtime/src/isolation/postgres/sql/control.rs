//! Statements that open and end transactions and savepoints.

use super::kind::{Isolation, Kind, Modes};
use super::tokens::Tokens;

/// `BEGIN [WORK | TRANSACTION] [modes]`
pub(super) fn begin(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.took_any(&["work", "transaction"]);
    let modes = modes(tokens)?;
    tokens.end()?;
    Some(Kind::Begin(modes))
}

/// `START TRANSACTION [modes]`
pub(super) fn start(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.keyword("transaction")?;
    let modes = modes(tokens)?;
    tokens.end()?;
    Some(Kind::Begin(modes))
}

/// `COMMIT [WORK | TRANSACTION] [AND [NO] CHAIN]`, `COMMIT PREPARED 'id'`
pub(super) fn commit(tokens: &mut Tokens<'_>) -> Option<Kind> {
    if tokens.took("prepared") {
        return identifier(tokens).map(Kind::CommitPrepared);
    }
    end(tokens)
}

/// `END [WORK | TRANSACTION] [AND [NO] CHAIN]`
pub(super) fn end(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.took_any(&["work", "transaction"]);
    let chain = chain(tokens)?;
    Some(Kind::Commit { chain })
}

/// `ROLLBACK [WORK | TRANSACTION] [AND [NO] CHAIN]`, `ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name`,
/// `ROLLBACK PREPARED 'id'`
pub(super) fn rollback(tokens: &mut Tokens<'_>) -> Option<Kind> {
    if tokens.took("prepared") {
        return identifier(tokens).map(Kind::RollbackPrepared);
    }
    tokens.took_any(&["work", "transaction"]);
    if tokens.took("to") {
        return last_savepoint(tokens, Kind::RollbackTo);
    }
    let chain = chain(tokens)?;
    Some(Kind::Rollback { chain })
}

/// `ABORT [WORK | TRANSACTION] [AND [NO] CHAIN]`
pub(super) fn abort(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.took_any(&["work", "transaction"]);
    let chain = chain(tokens)?;
    Some(Kind::Rollback { chain })
}

/// `SAVEPOINT name`
pub(super) fn savepoint(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let name = tokens.name()?;
    tokens.end()?;
    Some(Kind::Savepoint(name))
}

/// `RELEASE [SAVEPOINT] name`
pub(super) fn release(tokens: &mut Tokens<'_>) -> Option<Kind> {
    last_savepoint(tokens, Kind::Release)
}

/// `[SAVEPOINT] name`, where the name may be `savepoint`, too.
fn last_savepoint(tokens: &mut Tokens<'_>, kind: fn(super::Name) -> Kind) -> Option<Kind> {
    let mut ahead = tokens.clone();
    if ahead.took("savepoint") && ahead.more().is_some() {
        *tokens = ahead;
    }
    let name = tokens.name()?;
    tokens.end()?;
    Some(kind(name))
}

/// The end, or `AND [NO] CHAIN` before it.
fn chain(tokens: &mut Tokens<'_>) -> Option<bool> {
    let chain = tokens.took_all(&["and", "chain"]);
    if !chain {
        tokens.took_all(&["and", "no", "chain"]);
    }
    tokens.end()?;
    Some(chain)
}

/// The identifier of a prepared transaction, and the end.
pub(super) fn identifier(tokens: &mut Tokens<'_>) -> Option<Vec<u8>> {
    let identifier = tokens.text()?;
    tokens.end()?;
    Some(identifier)
}

/// Modes of a transaction, if there are any, with or without commas between; the last of a sort counts.
pub(super) fn modes(tokens: &mut Tokens<'_>) -> Option<Modes> {
    let mut modes = Modes::default();
    if tokens.more().is_none() {
        return Some(modes);
    }
    loop {
        mode(tokens, &mut modes)?;
        if !tokens.took_symbol(b',') && tokens.more().is_none() {
            return Some(modes);
        }
    }
}

fn mode(tokens: &mut Tokens<'_>, modes: &mut Modes) -> Option<()> {
    if tokens.took_all(&["isolation", "level"]) {
        modes.isolation = Some(isolation(tokens)?);
    } else if tokens.took_all(&["read", "only"]) {
        modes.read_only = Some(true);
    } else if tokens.took_all(&["read", "write"]) {
        modes.read_only = Some(false);
    } else if tokens.took("deferrable") {
        modes.deferrable = Some(true);
    } else if tokens.took_all(&["not", "deferrable"]) {
        modes.deferrable = Some(false);
    } else {
        return None;
    }
    Some(())
}

fn isolation(tokens: &mut Tokens<'_>) -> Option<Isolation> {
    if tokens.took_all(&["read", "uncommitted"]) {
        Some(Isolation::ReadUncommitted)
    } else if tokens.took_all(&["read", "committed"]) {
        Some(Isolation::ReadCommitted)
    } else if tokens.took_all(&["repeatable", "read"]) {
        Some(Isolation::RepeatableRead)
    } else {
        tokens.keyword("serializable")?;
        Some(Isolation::Serializable)
    }
}
