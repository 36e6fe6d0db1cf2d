//! Names as the server reads them: folded, unquoted, cut to length; and its keywords that cannot be names.

use super::literal;
use std::fmt;
use std::ops::Range;

/// The name of a savepoint, prepared statement, channel, …: as the server keeps it, so that two spellings of one name
/// are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    bytes: Box<[u8]>,
    at: Range<usize>,
}

/// The server's `NAMEDATALEN`, less its final zero.
const LONGEST: usize = 63;

impl Name {
    /// A word: folded as in a UTF-8 server, which leaves letters beyond ASCII as they are.
    pub(super) fn folded(word: &[u8], at: Range<usize>) -> Self {
        Self::of(word.to_ascii_lowercase(), at)
    }

    /// The inside of `"…"`.
    pub(super) fn quoted(inside: &[u8], at: Range<usize>) -> Option<Self> {
        let bytes = literal::undouble(inside, b'"');
        (!bytes.is_empty()).then(|| Self::of(bytes, at))
    }

    /// The inside of `U&"…"`.
    pub(super) fn unicode(inside: &[u8], escape: u8, at: Range<usize>) -> Option<Self> {
        let bytes = literal::unicode(&literal::undouble(inside, b'"'), escape)?;
        (!bytes.is_empty()).then(|| Self::of(bytes, at))
    }

    /// These bytes, as they are.
    pub(super) fn exactly(bytes: Vec<u8>, at: Range<usize>) -> Self {
        let bytes = bytes.into_boxed_slice();
        Self { bytes, at }
    }

    fn of(mut bytes: Vec<u8>, at: Range<usize>) -> Self {
        bytes.truncate(clip(&bytes));
        Self::exactly(bytes, at)
    }

    /// What the server calls it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it is written in the statement's text, quotes and all.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// As it can be written anywhere: in quotes.
    pub(crate) fn in_quotes(&self) -> Vec<u8> {
        let mut quoted = vec![b'"'];
        for &byte in &self.bytes {
            quoted.extend(std::iter::repeat_n(byte, 1 + usize::from(byte == b'"')));
        }
        quoted.push(b'"');
        quoted
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}` at {:?}", self.at)
    }
}

/// How much of a name is kept: no more than fits, and no character by half.
fn clip(bytes: &[u8]) -> usize {
    if bytes.len() <= LONGEST {
        return bytes.len();
    }
    let mut end = 0;
    while let Some(&first) = bytes.get(end) {
        let next = end + width(first);
        if next > LONGEST {
            break;
        }
        end = next;
    }
    end
}

/// The length of a UTF-8 character by its first byte; 1 where that is none.
fn width(first: u8) -> usize {
    match first {
        0xf0..=0xf7 => 4,
        0xe0..=0xef => 3,
        0xc0..=0xdf => 2,
        _ => 1,
    }
}

/// What a word can be without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Any name.
    Anything,
    /// The name of a function or a type, not of a table or a savepoint: `left`, `verbose`.
    Function,
    /// No name: `select`, `user`.
    Nothing,
}

/// What a word can be used for, from `pg_get_keywords()` of server 15. `concurrently` and the like never changed sides
/// from 13 to 18; `system_user` became reserved in 16 and is left to the server.
pub(super) fn use_of(word: &[u8]) -> Use {
    let mut folded = [0; 17];
    let Some(folded) = folded.get_mut(..word.len()) else {
        return Use::Anything;
    };
    folded.copy_from_slice(word);
    folded.make_ascii_lowercase();
    let is_in = |list: &[&str]| list.binary_search_by(|w| w.as_bytes().cmp(folded)).is_ok();
    if is_in(RESERVED) {
        Use::Nothing
    } else if is_in(FUNCTIONS) {
        Use::Function
    } else {
        Use::Anything
    }
}

/// Sorted.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
    "collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role", "current_time",
    "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
    "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in", "initially", "intersect", "into",
    "lateral", "leading", "limit", "localtime", "localtimestamp", "not", "null", "offset", "on", "only", "or",
    "order", "placing", "primary", "references", "returning", "select", "session_user", "some", "symmetric",
    "table", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where",
    "window", "with",
];

/// Sorted.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full", "ilike",
    "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps", "right", "similar",
    "tablesample", "verbose",
];

#[cfg(test)]
pub(super) fn keywords_are_sorted() -> bool {
    RESERVED.is_sorted() && FUNCTIONS.is_sorted()
}
