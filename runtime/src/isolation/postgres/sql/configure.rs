//! Functions by which queries do what else is a statement of its own: `set_config` and `pg_notify`.

use super::kind::{Configured, Kind};
use super::lex::{Shape, contains};
use super::name::Name;
use super::tokens::Tokens;

/// A query, which may call `set_config` with constants: so most do that set something for a transaction.
pub(super) fn query(statement: &[u8], mut tokens: Tokens<'_>) -> Kind {
    if contains(statement, b"pg_notify")
        && let Some(notify) = notify(&mut tokens.clone())
    {
        return notify;
    }
    if !contains(statement, b"set_config") {
        return Kind::Other;
    }
    let mut calls = Vec::new();
    while tokens.more().is_some() {
        if tokens.took("set_config") && tokens.took_symbol(b'(') {
            calls.extend(call(&mut tokens.clone()));
        } else {
            tokens.take();
        }
    }
    if calls.is_empty() {
        Kind::Other
    } else {
        Kind::Configure(calls.into())
    }
}

/// `SELECT pg_notify('channel', 'payload')` and nothing else, with constants.
fn notify(tokens: &mut Tokens<'_>) -> Option<Kind> {
    tokens.keyword("select")?;
    if tokens.took("pg_catalog") {
        tokens.took_symbol(b'.').then_some(())?;
    }
    tokens.keyword("pg_notify")?;
    tokens.took_symbol(b'(').then_some(())?;
    // Unlike the name in a NOTIFY, it is not folded.
    let channel = Name::exactly(tokens.text()?, 0..0);
    tokens.took_symbol(b',').then_some(())?;
    let payload = tokens.text()?;
    tokens.took_symbol(b')').then_some(())?;
    tokens.end()?;
    Some(Kind::Notify { channel, payload })
}

/// `'name', value, {true | false})`
fn call(tokens: &mut Tokens<'_>) -> Option<Configured> {
    let name = tokens.text()?.to_ascii_lowercase();
    tokens.took_symbol(b',').then_some(())?;
    let value = constant(tokens);
    if value.is_none() {
        skip_argument(tokens)?;
    }
    tokens.took_symbol(b',').then_some(())?;
    let local = tokens.took("true");
    if !local {
        tokens.keyword("false")?;
    }
    tokens.took_symbol(b')').then_some(())?;
    Some(Configured { name, value, local })
}

/// A string that is all of an argument.
fn constant(tokens: &mut Tokens<'_>) -> Option<Vec<u8>> {
    let mut ahead = tokens.clone();
    let value = ahead.text()?;
    (ahead.shape() == Some(Shape::Symbol(b','))).then_some(())?;
    *tokens = ahead;
    Some(value)
}

/// Up to the comma behind it.
fn skip_argument(tokens: &mut Tokens<'_>) -> Option<()> {
    loop {
        match tokens.shape()? {
            Shape::Symbol(b',') => return Some(()),
            Shape::Symbol(b'(') => tokens.took_parentheses().then_some(())?,
            _ => drop(tokens.take()),
        }
    }
}
