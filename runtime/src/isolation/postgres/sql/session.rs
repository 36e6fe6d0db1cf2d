//! Statements that name something of the session: prepared statements, cursors, channels.

use super::control;
use super::kind::{Discarded, Kind};
use super::lex::Shape;
use super::name::Name;
use super::tokens::Tokens;

/// `PREPARE name [(types)] AS …`, `PREPARE TRANSACTION 'id'`
pub(super) fn prepare(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let mut ahead = tokens.clone();
    if ahead.took("transaction") && matches!(ahead.shape(), Some(Shape::Text(_))) {
        *tokens = ahead;
        return control::identifier(tokens).map(Kind::PrepareTransaction);
    }
    let name = tokens.name()?;
    tokens.took_parentheses();
    tokens.keyword("as")?;
    tokens.more()?;
    Some(Kind::Prepare(name))
}

/// `EXECUTE name [(values)]`
pub(super) fn execute(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let name = tokens.name()?;
    tokens.took_parentheses();
    tokens.end()?;
    Some(Kind::Execute(name))
}

/// `EXPLAIN [(options)] [ANALYZE] [VERBOSE] EXECUTE …`
pub(super) fn explain(tokens: &mut Tokens<'_>) -> Option<Kind> {
    if !tokens.took_parentheses() {
        tokens.took_any(&["analyze", "analyse"]);
        tokens.took("verbose");
    }
    if tokens.took("execute") {
        execute(tokens)
    } else {
        Some(Kind::Other)
    }
}

/// `DEALLOCATE [PREPARE] {name | ALL}`, where the name may be `prepare`, too.
pub(super) fn deallocate(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let mut ahead = tokens.clone();
    if ahead.took("prepare") && ahead.more().is_some() {
        *tokens = ahead;
    }
    name_or_all(tokens).map(Kind::Deallocate)
}

/// `CLOSE {name | ALL}`
pub(super) fn close(tokens: &mut Tokens<'_>) -> Option<Kind> {
    name_or_all(tokens).map(Kind::Close)
}

#[allow(clippy::option_option, reason = "refused, all, one")]
fn name_or_all(tokens: &mut Tokens<'_>) -> Option<Option<Name>> {
    let name = if tokens.took("all") {
        None
    } else {
        Some(tokens.name()?)
    };
    tokens.end()?;
    Some(name)
}

/// `DECLARE name [BINARY] [ASENSITIVE | INSENSITIVE] [[NO] SCROLL] CURSOR [{WITH | WITHOUT} HOLD] FOR …`
pub(super) fn declare(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let cursor = tokens.name()?;
    while tokens.took_any(&["binary", "asensitive", "insensitive", "scroll"])
        || tokens.took_all(&["no", "scroll"])
    {}
    tokens.keyword("cursor")?;
    let hold = tokens.took_all(&["with", "hold"]);
    if !hold {
        tokens.took_all(&["without", "hold"]);
    }
    tokens.keyword("for")?;
    tokens.more()?;
    Some(Kind::Declare { cursor, hold })
}

/// `{FETCH | MOVE} [direction] [FROM | IN] name`: the name is what stands last.
pub(super) fn fetch(tokens: &mut Tokens<'_>) -> Option<Kind> {
    loop {
        if let Some(name) = tokens.name() {
            if tokens.end().is_some() {
                return Some(Kind::Fetch(name));
            }
        } else {
            tokens.take()?;
        }
    }
}

/// `LISTEN channel`
pub(super) fn listen(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let channel = tokens.name()?;
    tokens.end()?;
    Some(Kind::Listen(channel))
}

/// `UNLISTEN {channel | *}`
pub(super) fn unlisten(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let channel = if tokens.took_symbol(b'*') {
        None
    } else {
        Some(tokens.name()?)
    };
    tokens.end()?;
    Some(Kind::Unlisten(channel))
}

/// `NOTIFY channel [, 'payload']`
pub(super) fn notify(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let channel = tokens.name()?;
    let payload = if tokens.took_symbol(b',') {
        tokens.text()?
    } else {
        Vec::new()
    };
    tokens.end()?;
    Some(Kind::Notify { channel, payload })
}

/// `DISCARD {ALL | PLANS | SEQUENCES | TEMP | TEMPORARY}`
pub(super) fn discard(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let discarded = if tokens.took("all") {
        Discarded::All
    } else if tokens.took("plans") {
        Discarded::Plans
    } else if tokens.took("sequences") {
        Discarded::Sequences
    } else {
        tokens.took_any(&["temp", "temporary"]).then_some(())?;
        Discarded::Temporary
    };
    tokens.end()?;
    Some(Kind::Discard(discarded))
}
