//! Where one statement of a query string ends and the next begins.

use super::Strings;
use super::lex::{Lexer, Shape, Text, Token};
use std::fmt;
use std::ops::Range;

/// The statements of a query string, in order; pieces without a token are none, as to the server.
///
/// Found while they are asked for, so that a string of a million statements takes no memory.
#[derive(Clone, Debug)]
pub(crate) struct Statements<'a> {
    sql: &'a [u8],
    strings: Strings,
    at: usize,
}

/// One statement of a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// From its first token to the end of its last.
    pub(crate) text: &'a [u8],
    /// Where `text` stands in the query string.
    pub(crate) range: Range<usize>,
    /// With the blanks and comments around it, up to the semicolon that ends it.
    pub(crate) piece: Range<usize>,
    /// Why the server is going to refuse the whole string, where that is known without its grammar.
    pub(crate) problem: Option<Problem>,
    /// How its strings are read.
    pub(crate) strings: Strings,
}

/// What makes the server refuse a string before it runs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A string constant does not end.
    OpenString,
    /// A `$tag$` string does not end.
    OpenDollarString,
    /// A name in quotes does not end.
    OpenName,
    /// A comment does not end.
    OpenComment,
    /// `""`.
    EmptyName,
    /// `U&'…'` without `standard_conforming_strings`.
    UnsafeUnicode,
    /// More `(` than `)`.
    OpenParenthesis,
    /// A `)` without its `(`.
    StrayParenthesis,
    /// `BEGIN ATOMIC` without its `END`.
    OpenBody,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenString => "unterminated quoted string",
            Self::OpenDollarString => "unterminated dollar-quoted string",
            Self::OpenName => "unterminated quoted identifier",
            Self::OpenComment => "unterminated /* comment",
            Self::EmptyName => "zero-length delimited identifier",
            Self::UnsafeUnicode => "unsafe use of string constant with Unicode escapes",
            Self::OpenParenthesis => "a parenthesis is not closed",
            Self::StrayParenthesis => "a parenthesis is closed that was not opened",
            Self::OpenBody => "the body after `BEGIN ATOMIC` has no `END`",
        })
    }
}

/// The statements of a query string, read as the server reads it: as a whole, with the `standard_conforming_strings`
/// that hold before any of it runs.
///
/// The string is in UTF-8 or another encoding whose bytes below 128 are ASCII; it need not be valid.
pub(crate) fn split(sql: &[u8], strings: Strings) -> Statements<'_> {
    Statements {
        sql,
        strings,
        at: 0,
    }
}

impl Statements<'_> {
    /// Why the server is going to refuse the rest of the string, and with it the whole of it.
    #[cfg(test)]
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.clone().find_map(|statement| statement.problem)
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        loop {
            let begins = self.at;
            let mut piece = Piece::default();
            let mut lexer = Lexer::new(self.sql, begins, self.strings);
            let end = lexer.find(|token| piece.ends_at(self.sql, self.strings, token));
            let ends = end.map_or(self.sql.len(), |semicolon| semicolon.start);
            self.at = end.map_or(self.sql.len(), |semicolon| semicolon.end);
            if let Some(range) = piece.tokens.clone() {
                return Some(Statement {
                    text: &self.sql[range.clone()],
                    range,
                    piece: begins..ends,
                    problem: piece.problem(),
                    strings: self.strings,
                });
            }
            end?;
        }
    }
}

/// What is known of the piece that is being read.
#[derive(Debug, Default)]
struct Piece {
    tokens: Option<Range<usize>>,
    parentheses: usize,
    /// How many `BEGIN ATOMIC` are open.
    bodies: usize,
    routine: Routine,
    problem: Option<Problem>,
}

/// How far a statement is on the way to `CREATE [OR REPLACE] {FUNCTION | PROCEDURE} … BEGIN ATOMIC`. Only there do these
/// words open a body: elsewhere they may be a column and its label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Routine {
    #[default]
    Start,
    Create,
    CreateOr,
    CreateOrReplace,
    Head,
    Begin,
    /// Another statement.
    None,
}

impl Piece {
    /// Takes note of a token; whether it is the semicolon that ends the piece.
    fn ends_at(&mut self, sql: &[u8], strings: Strings, token: &Token) -> bool {
        if token.shape == Shape::Symbol(b';') && self.parentheses == 0 {
            if self.bodies == 0 {
                return true;
            }
            self.routine = Routine::Start;
        } else {
            self.follow(&sql[token.range()], token);
        }
        self.tokens = Some(self.tokens.as_ref().map_or(token.start, |t| t.start)..token.end);
        self.problem = self.problem.or_else(|| problem_of(token, strings));
        false
    }

    fn follow(&mut self, text: &[u8], token: &Token) {
        match token.shape {
            Shape::Symbol(b'(') => self.parentheses += 1,
            Shape::Symbol(b')') if self.parentheses == 0 => {
                self.problem = self.problem.or(Some(Problem::StrayParenthesis));
            }
            Shape::Symbol(b')') => self.parentheses -= 1,
            _ => {}
        }
        if self.parentheses == 0 {
            let word = if token.shape == Shape::Word {
                text
            } else {
                b""
            };
            self.follow_routine(word);
        } else {
            self.routine = match self.routine {
                // A function may be called `begin`.
                Routine::Head | Routine::Begin => Routine::Head,
                _ => Routine::None,
            };
        }
    }

    fn follow_routine(&mut self, word: &[u8]) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        self.routine = match self.routine {
            Routine::Start if is("create") => Routine::Create,
            // No statement starts with `END` inside a body, so this one ends it.
            Routine::Start if self.bodies > 0 && is("end") => {
                self.bodies -= 1;
                Routine::None
            }
            Routine::Create if is("or") => Routine::CreateOr,
            Routine::CreateOr if is("replace") => Routine::CreateOrReplace,
            Routine::Create | Routine::CreateOrReplace if is("function") || is("procedure") => {
                Routine::Head
            }
            Routine::Head | Routine::Begin if is("begin") => Routine::Begin,
            Routine::Begin if is("atomic") => {
                self.bodies += 1;
                Routine::Start
            }
            Routine::Head | Routine::Begin => Routine::Head,
            _ => Routine::None,
        };
    }

    fn problem(&self) -> Option<Problem> {
        let open = (self.parentheses > 0).then_some(Problem::OpenParenthesis);
        let body = (self.bodies > 0).then_some(Problem::OpenBody);
        self.problem.or(open).or(body)
    }
}

fn problem_of(token: &Token, strings: Strings) -> Option<Problem> {
    let empty = |quotes| token.end - token.start == quotes;
    match token.shape {
        Shape::OpenComment => Some(Problem::OpenComment),
        Shape::Text(Text::Dollar(_)) if token.cut => Some(Problem::OpenDollarString),
        Shape::Text(_) | Shape::Bits if token.cut => Some(Problem::OpenString),
        Shape::Quoted | Shape::UnicodeQuoted if token.cut => Some(Problem::OpenName),
        Shape::Quoted if empty(2) => Some(Problem::EmptyName),
        Shape::UnicodeQuoted if empty(4) => Some(Problem::EmptyName),
        Shape::Text(Text::Unicode) if strings == Strings::Escaping => Some(Problem::UnsafeUnicode),
        _ => None,
    }
}
