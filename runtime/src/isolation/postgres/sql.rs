//! SQL as the wire carries it: cut into statements, and told apart by what they do to the session.
//!
//! Nothing here knows PostgreSQL's grammar. The lexer is the server's ([`lex`]), statements are cut where the server
//! cuts them ([`split()`]), and only those are read further that end or open transactions, change or name something of
//! the session, or cannot run in a transaction ([`classify()`]). What looks like one of them and is not as a server from
//! 13 to 18 accepts it is [`Kind::Malformed`]: the server refuses it, and says it better.

mod barred;
mod classify;
mod configure;
mod control;
mod copy;
mod kind;
mod lex;
mod literal;
mod name;
mod session;
mod setting;
mod split;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use classify::classify;
#[cfg(test)]
pub(crate) use kind::Constraints;
pub(crate) use kind::{
    Assigned, AtCommit, Configured, Direction, Discarded, Isolation, Kind, Modes, Scope, Setting,
};
pub(crate) use lex::contains;
pub(crate) use name::Name;
#[cfg(test)]
pub(crate) use split::Problem;
pub(crate) use split::{Statement, split};

/// How string constants without a prefix are read: the session's `standard_conforming_strings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strings {
    /// `on`, the server's default: a backslash is a backslash.
    #[default]
    Standard,
    /// `off`: a backslash escapes, as in `E'…'`.
    Escaping,
}

/// What a string holds that may hold one statement only: the text of a Parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Only<'a> {
    /// No statement.
    Nothing,
    /// One.
    One(Statement<'a>),
    /// More than one: the server refuses with 42601, "cannot insert multiple commands into a prepared statement".
    Several,
}

/// The one statement of a string.
pub(crate) fn only(sql: &[u8], strings: Strings) -> Only<'_> {
    let mut statements = split(sql, strings);
    match (statements.next(), statements.next()) {
        (None, _) => Only::Nothing,
        (Some(statement), None) => Only::One(statement),
        (Some(_), Some(_)) => Only::Several,
    }
}

impl Statement<'_> {
    /// What it does to the session.
    pub(crate) fn kind(&self) -> Kind {
        classify(self.text, self.strings)
    }
}

/// Cuts and classifies any bytes: what a fuzz target calls.
///
/// # Panics
///
/// If the pieces do not add up to the input.
#[allow(dead_code, reason = "called by tests and fuzz targets")]
pub(crate) fn fuzz(bytes: &[u8]) {
    for strings in [Strings::Standard, Strings::Escaping] {
        let mut end = 0;
        for statement in split(bytes, strings) {
            assert!(end <= statement.piece.start && statement.piece.end <= bytes.len());
            assert!(statement.piece.start <= statement.range.start);
            assert!(statement.range.end <= statement.piece.end);
            assert!(!statement.text.is_empty());
            end = statement.piece.end;
            let kind = statement.kind();
            assert_ne!(kind, Kind::Empty, "a statement has a token");
            drop(kind);
        }
    }
}

/// The beginning of a statement in one line, for a person; `None` if there is nothing in it.
pub(super) fn shortened(statement: &str) -> Option<String> {
    const SHOWN: usize = 120;
    let words: Vec<_> = statement.split_whitespace().collect();
    let line = words.join(" ");
    if line.is_empty() {
        return None;
    }
    if line.chars().count() <= SHOWN {
        return Some(line);
    }
    Some(line.chars().take(SHOWN).chain("..".chars()).collect())
}
