//! `SET` and `RESET`.

use super::control;
use super::kind::{Assigned, Constraints, Kind, Scope, Setting};
use super::name::Name;
use super::tokens::Tokens;
use std::ops::Range;

/// `SET [SESSION | LOCAL] …`, `SET CONSTRAINTS …`
pub(super) fn set(tokens: &mut Tokens<'_>) -> Option<Kind> {
    // Settings may be called `session`, `role`, `constraints` …: what follows tells.
    if let Some(kind) = plain(tokens, Scope::Session) {
        return kind;
    }
    if tokens.took("constraints") {
        return constraints(tokens).map(Kind::SetConstraints);
    }
    let mut ahead = tokens.clone();
    let scope = if ahead.took("local") {
        *tokens = ahead;
        Scope::Local
    } else if ahead.took("session")
        && !ahead.sees("authorization")
        && !ahead.sees("characteristics")
    {
        *tokens = ahead;
        Scope::Session
    } else {
        Scope::Session
    };
    match plain(tokens, scope) {
        Some(kind) => kind,
        None => special(tokens, scope),
    }
}

/// `name {TO | =} {values | DEFAULT}`, `name FROM CURRENT`; the outer `None` if it is not of this form.
#[allow(clippy::option_option, reason = "another form, refused, read")]
fn plain(tokens: &mut Tokens<'_>, scope: Scope) -> Option<Option<Kind>> {
    let mut ahead = tokens.clone();
    let name = setting_name(&mut ahead)?;
    let current = ahead.took_all(&["from", "current"]);
    if !current && !ahead.took("to") && !ahead.took_symbol(b'=') {
        return None;
    }
    *tokens = ahead;
    let to = if current {
        tokens.end().map(|()| Assigned::Current)
    } else {
        value(tokens, |_| Some(()))
    };
    Some(to.map(|to| Kind::Set(Setting { scope, name, to })))
}

/// `name`, `extension.name`: in lower case even if quoted.
fn setting_name(tokens: &mut Tokens<'_>) -> Option<Name> {
    let mut parts = vec![tokens.name()?];
    while tokens.took_symbol(b'.') {
        parts.push(tokens.name()?);
    }
    let at = parts.first()?.at().start..parts.last()?.at().end;
    let parts: Vec<&[u8]> = parts.iter().map(Name::as_bytes).collect();
    Some(Name::exactly(parts.join(&b'.').to_ascii_lowercase(), at))
}

/// `DEFAULT`, or what `written` accepts of it.
fn value<'a>(
    tokens: &mut Tokens<'a>,
    written: impl FnOnce(&mut Tokens<'a>) -> Option<()>,
) -> Option<Assigned> {
    let mut ahead = tokens.clone();
    if ahead.took("default") && ahead.end().is_some() {
        return Some(Assigned::Default);
    }
    let rest = tokens.rest()?;
    written(tokens)?;
    Some(Assigned::Written(rest))
}

/// One string and no more.
fn one_text(tokens: &mut Tokens<'_>) -> Option<()> {
    tokens.text()?;
    tokens.end()
}

/// One word or string and no more.
fn one_value(tokens: &mut Tokens<'_>) -> Option<()> {
    if tokens.unreserved().is_none() {
        tokens.text()?;
    }
    tokens.end()
}

/// What has a syntax of its own.
fn special(tokens: &mut Tokens<'_>, scope: Scope) -> Option<Kind> {
    let start = tokens.rest()?.start;
    if tokens.took("transaction") {
        return transaction(tokens);
    }
    if tokens.took_all(&["session", "characteristics", "as", "transaction"]) {
        return modes(tokens).map(Kind::SetCharacteristics);
    }
    let (name, to) = if tokens.took_all(&["time", "zone"]) {
        ("timezone", time_zone(tokens)?)
    } else if tokens.took("names") {
        ("client_encoding", names(tokens)?)
    } else if tokens.took("schema") {
        ("search_path", written(tokens, one_text)?)
    } else if tokens.took("role") {
        ("role", written(tokens, one_value)?)
    } else if tokens.took_all(&["session", "authorization"]) {
        ("session_authorization", value(tokens, one_value)?)
    } else {
        tokens.took_all(&["xml", "option"]).then_some(())?;
        ("xmloption", written(tokens, document_or_content)?)
    };
    let end = match &to {
        Assigned::Written(value) => value.start,
        _ => start,
    };
    let name = Name::exactly(name.into(), start..end);
    Some(Kind::Set(Setting { scope, name, to }))
}

fn written<'a>(
    tokens: &mut Tokens<'a>,
    read: impl FnOnce(&mut Tokens<'a>) -> Option<()>,
) -> Option<Assigned> {
    let rest: Range<usize> = tokens.rest()?;
    read(tokens)?;
    Some(Assigned::Written(rest))
}

fn document_or_content(tokens: &mut Tokens<'_>) -> Option<()> {
    tokens.took_any(&["document", "content"]).then_some(())?;
    tokens.end()
}

/// `TRANSACTION modes`, `TRANSACTION SNAPSHOT 'id'`
fn transaction(tokens: &mut Tokens<'_>) -> Option<Kind> {
    if tokens.took("snapshot") {
        return control::identifier(tokens).map(Kind::SetSnapshot);
    }
    modes(tokens).map(Kind::SetTransaction)
}

/// At least one mode, and the end.
fn modes(tokens: &mut Tokens<'_>) -> Option<super::Modes> {
    tokens.more()?;
    control::modes(tokens)
}

/// `NAMES ['encoding' | DEFAULT]`
fn names(tokens: &mut Tokens<'_>) -> Option<Assigned> {
    if tokens.end().is_some() {
        return Some(Assigned::Default);
    }
    value(tokens, one_text)
}

/// `TIME ZONE {LOCAL | DEFAULT | zone}`; how zones are written otherwise (intervals, numbers) is left to the server.
fn time_zone(tokens: &mut Tokens<'_>) -> Option<Assigned> {
    let mut ahead = tokens.clone();
    if ahead.took("local") && ahead.end().is_some() {
        return Some(Assigned::Default);
    }
    value(tokens, |_| Some(()))
}

/// `CONSTRAINTS {ALL | name [, …]} {DEFERRED | IMMEDIATE}`
fn constraints(tokens: &mut Tokens<'_>) -> Option<Constraints> {
    let named = if tokens.took("all") {
        None
    } else {
        let mut named = vec![tokens.path()?];
        while tokens.took_symbol(b',') {
            named.push(tokens.path()?);
        }
        Some(named)
    };
    let deferred = tokens.took("deferred");
    if !deferred {
        tokens.keyword("immediate")?;
    }
    tokens.end()?;
    Some(Constraints { named, deferred })
}

/// `RESET {ALL | name | TIME ZONE | TRANSACTION ISOLATION LEVEL | SESSION AUTHORIZATION}`
pub(super) fn reset(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let rest = tokens.rest()?;
    let mut ahead = tokens.clone();
    let special = if ahead.took_all(&["time", "zone"]) {
        Some("timezone")
    } else if ahead.took_all(&["transaction", "isolation", "level"]) {
        Some("transaction_isolation")
    } else if ahead.took_all(&["session", "authorization"]) {
        Some("session_authorization")
    } else {
        None
    };
    let name = if let Some(name) = special {
        *tokens = ahead;
        Some(Name::exactly(name.into(), rest))
    } else if tokens.took("all") {
        None
    } else {
        Some(setting_name(tokens)?)
    };
    tokens.end()?;
    Some(Kind::Reset(name))
}
