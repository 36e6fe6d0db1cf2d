//! Tokens of SQL, as PostgreSQL's own lexer finds them.
//!
//! Only what decides where a token ends is kept: operators come out byte by byte, numbers as runs of digits. Where
//! servers 13 to 18 differ (`1e$$`, `0x1f`, a vertical tab) all but one of them refuse the text, and that one is followed.

use super::Strings;
use std::ops::Range;

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) shape: Shape,
    pub(super) start: usize,
    pub(super) end: usize,
    /// The text ended before the token did.
    pub(super) cut: bool,
}

impl Token {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A keyword or a name without quotes.
    Word,
    /// `"…"`.
    Quoted,
    /// `U&"…"`.
    UnicodeQuoted,
    Text(Text),
    /// `B'…'` and `X'…'`.
    Bits,
    Digits,
    /// `$1`.
    Parameter,
    /// Any other byte: operators, punctuation, a lone `$`.
    Symbol(u8),
    /// A comment that does not end; others are whitespace.
    OpenComment,
}

/// How a string constant is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// `'…'`: a backslash is a backslash.
    Plain,
    /// `E'…'`, or `'…'` without `standard_conforming_strings`.
    Escaped,
    /// `U&'…'`.
    Unicode,
    /// `$tag$…$tag$`; the length of the delimiter.
    Dollar(usize),
}

/// Reads tokens from a place on; whitespace and comments are skipped.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    input: &'a [u8],
    at: usize,
    strings: Strings,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a [u8], at: usize, strings: Strings) -> Self {
        Self { input, at, strings }
    }

    pub(super) fn input(&self) -> &'a [u8] {
        self.input
    }

    pub(super) fn strings(&self) -> Strings {
        self.strings
    }

    /// The same text from another place on.
    pub(super) fn from(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.input.get(self.at + ahead).copied()
    }

    fn pass(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|&byte| !belongs(byte));
        self.at += count.unwrap_or(rest.len());
    }

    /// Skips spaces and comments; where a comment that does not end begins, if there is one.
    fn skip_blank(&mut self) -> Result<(), usize> {
        loop {
            self.pass(is_space);
            match (self.byte(0), self.byte(1)) {
                (Some(b'-'), Some(b'-')) => self.pass(|byte| !is_newline(byte)),
                (Some(b'/'), Some(b'*')) => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), usize> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(start),
            }
        }
    }

    /// Up to and with the closing quote, and whatever continues the constant on a later line; whether it was closed.
    fn skip_string(&mut self, escapes: bool) -> bool {
        loop {
            self.pass(|byte| byte != b'\'' && !(escapes && byte == b'\\'));
            match (self.byte(0), self.byte(1)) {
                (None, _) => return false,
                (Some(b'\\'), next) => self.at += 1 + usize::from(next.is_some()),
                (Some(_), Some(b'\'')) => self.at += 2,
                (Some(_), _) => {
                    self.at += 1;
                    match continuation(self.input, self.at) {
                        Some(next) => self.at = next,
                        None => return true,
                    }
                }
            }
        }
    }

    /// Up to and with the closing quote of a name; whether it was closed.
    fn skip_quoted(&mut self) -> bool {
        loop {
            self.pass(|byte| byte != b'"');
            match (self.byte(0), self.byte(1)) {
                (None, _) => return false,
                (_, Some(b'"')) => self.at += 2,
                _ => {
                    self.at += 1;
                    return true;
                }
            }
        }
    }

    /// The length of `$tag$`, if it stands here.
    fn dollar_delimiter(&self) -> Option<usize> {
        let after = self.input.get(self.at + 1..)?;
        let tag = after.iter().take_while(|&&byte| is_tag(byte)).count();
        let starts_with_digit = after.first().is_some_and(u8::is_ascii_digit);
        (after.get(tag) == Some(&b'$') && !starts_with_digit).then_some(tag + 2)
    }

    /// Up to and with the second delimiter; whether there is one. A tag holds no `$`, so no byte is compared twice.
    fn skip_dollars(&mut self, delimiter: usize) -> bool {
        let (opening, rest) = self.input[self.at..].split_at(delimiter);
        let mut from = 0;
        while let Some(found) = rest[from..].iter().position(|&byte| byte == b'$') {
            from += found;
            if rest[from..].starts_with(opening) {
                self.at += delimiter + from + delimiter;
                return true;
            }
            from += 1;
        }
        self.at = self.input.len();
        false
    }

    /// A constant whose opening, up to and with its first quote, has this length.
    fn string(&mut self, opening: usize, shape: Shape, escapes: bool) -> (Shape, bool) {
        self.at += opening;
        let closed = self.skip_string(escapes);
        (shape, closed)
    }

    fn plain_string(&mut self) -> (Shape, bool) {
        match self.strings {
            Strings::Standard => self.string(1, Shape::Text(Text::Plain), false),
            Strings::Escaping => self.string(1, Shape::Text(Text::Escaped), true),
        }
    }

    fn quoted(&mut self, opening: usize, shape: Shape) -> (Shape, bool) {
        self.at += opening;
        let closed = self.skip_quoted();
        (shape, closed)
    }

    fn word_or_prefixed(&mut self, first: u8) -> (Shape, bool) {
        match (first.to_ascii_lowercase(), self.byte(1), self.byte(2)) {
            (b'e', Some(b'\''), _) => self.string(2, Shape::Text(Text::Escaped), true),
            (b'b' | b'x', Some(b'\''), _) => self.string(2, Shape::Bits, false),
            (b'u', Some(b'&'), Some(b'\'')) => self.string(3, Shape::Text(Text::Unicode), false),
            (b'u', Some(b'&'), Some(b'"')) => self.quoted(3, Shape::UnicodeQuoted),
            // `N'…'` too: to the server it is the word `nchar` and then a string.
            _ => {
                self.pass(is_word);
                (Shape::Word, true)
            }
        }
    }

    fn dollar(&mut self) -> (Shape, bool) {
        if let Some(delimiter) = self.dollar_delimiter() {
            let closed = self.skip_dollars(delimiter);
            return (Shape::Text(Text::Dollar(delimiter)), closed);
        }
        self.at += 1;
        if self.byte(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.pass(|byte| byte.is_ascii_digit());
            return (Shape::Parameter, true);
        }
        (Shape::Symbol(b'$'), true)
    }

    fn shape(&mut self, first: u8) -> (Shape, bool) {
        match first {
            b'\'' => self.plain_string(),
            b'"' => self.quoted(1, Shape::Quoted),
            b'$' => self.dollar(),
            b'0'..=b'9' => {
                self.pass(|byte| byte.is_ascii_digit());
                (Shape::Digits, true)
            }
            _ if is_word_start(first) => self.word_or_prefixed(first),
            _ => {
                self.at += 1;
                (Shape::Symbol(first), true)
            }
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if let Err(start) = self.skip_blank() {
            return Some(Token {
                shape: Shape::OpenComment,
                start,
                end: self.at,
                cut: true,
            });
        }
        let start = self.at;
        let (shape, whole) = self.shape(self.byte(0)?);
        Some(Token {
            shape,
            start,
            end: self.at,
            cut: !whole,
        })
    }
}

/// Where a string constant goes on that was closed right before `at`: behind the next quote, if only blanks with a
/// newline among them and `--` comments are between.
pub(super) fn continuation(input: &[u8], at: usize) -> Option<usize> {
    let mut lexer = Lexer::new(input, at, Strings::Standard);
    loop {
        lexer.pass(is_space);
        match (lexer.byte(0), lexer.byte(1)) {
            (Some(b'-'), Some(b'-')) => lexer.pass(|byte| !is_newline(byte)),
            (Some(b'\''), _) => break,
            _ => return None,
        }
    }
    // A comment before a quote ends with a newline, too.
    let between = &input[at..lexer.at];
    between
        .iter()
        .any(|&byte| is_newline(byte))
        .then_some(lexer.at + 1)
}

/// What a byte may be part of: looked up, as this is asked for every byte of every query.
const SPACE: u8 = 1;
const NEWLINE: u8 = 2;
const WORD_START: u8 = 4;
const DIGIT: u8 = 8;
const WORD: u8 = 16;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = class(byte);
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

const fn class(byte: u8) -> u8 {
    match byte {
        b'\n' | b'\r' => SPACE | NEWLINE,
        // Servers from 16 on count the vertical tab as space; to the others it is an error.
        b' ' | b'\t' | 0x0b | 0x0c => SPACE,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => WORD_START | WORD,
        b'0'..=b'9' => DIGIT | WORD,
        b'$' => WORD,
        _ => 0,
    }
}

fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

fn is_space(byte: u8) -> bool {
    is(SPACE, byte)
}

fn is_newline(byte: u8) -> bool {
    is(NEWLINE, byte)
}

fn is_word_start(byte: u8) -> bool {
    is(WORD_START, byte)
}

fn is_tag(byte: u8) -> bool {
    is(WORD_START | DIGIT, byte)
}

fn is_word(byte: u8) -> bool {
    is(WORD, byte)
}

/// Whether a word is somewhere in a text, in any case.
pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    let mut windows = text.windows(word.len());
    windows.any(|window| window.eq_ignore_ascii_case(word))
}
