//! What a client says, and the frames of both sides.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use std::fmt;

/// A statement or a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A string of statements; in pieces, so that a difference can be looked for without some of them.
    Query(Vec<String>),
    /// Prepares a statement.
    Parse {
        /// Empty: the unnamed one.
        name: String,
        /// The statement.
        sql: String,
        /// Types of its parameters, 0 for any.
        types: Vec<u32>,
    },
    /// Makes a portal of a statement.
    Bind {
        /// Empty: the unnamed one.
        portal: String,
        /// The statement's name.
        statement: String,
        /// Formats of the parameters.
        formats: Vec<i16>,
        /// Values, `None` for NULL.
        values: Vec<Option<Vec<u8>>>,
        /// Formats of the columns.
        results: Vec<i16>,
    },
    /// Asks for the columns.
    Describe(Kind, String),
    /// Runs a portal, for so many rows or, with 0, for all.
    Execute(String, u32),
    /// Forgets a statement or a portal.
    Close(Kind, String),
    /// Asks for the answers up to here.
    Flush,
    /// Ends a run of the extended protocol.
    Sync,
    /// Some of what is copied in.
    CopyData(Vec<u8>),
    /// The end of it.
    CopyDone,
    /// The client cannot go on with it.
    CopyFail(String),
}

impl Message {
    /// Appends the frame.
    pub fn write(&self, to: &mut BytesMut) {
        match self {
            Self::Query(pieces) => frame(to, b'Q', |to| text(to, &pieces.concat())),
            Self::Parse { name, sql, types } => frame(to, b'P', |to| {
                text(to, name);
                text(to, sql);
                count(to, types.len());
                for oid in types {
                    to.put_u32(*oid);
                }
            }),
            Self::Bind {
                portal,
                statement,
                formats,
                values,
                results,
            } => frame(to, b'B', |to| {
                text(to, portal);
                text(to, statement);
                numbers(to, formats);
                count(to, values.len());
                for one in values {
                    value(to, one.as_deref());
                }
                numbers(to, results);
            }),
            Self::Describe(kind, name) => frame(to, b'D', |to| target(to, *kind, name)),
            Self::Execute(portal, most) => frame(to, b'E', |to| {
                text(to, portal);
                to.put_u32(*most);
            }),
            Self::Close(kind, name) => frame(to, b'C', |to| target(to, *kind, name)),
            Self::Flush => frame(to, b'H', |_| {}),
            Self::Sync => frame(to, b'S', |_| {}),
            Self::CopyData(data) => frame(to, b'd', |to| to.put_slice(data)),
            Self::CopyDone => frame(to, b'c', |_| {}),
            Self::CopyFail(why) => frame(to, b'f', |to| text(to, why)),
        }
    }

    /// Whether the server answers at once: the others may wait until one of these comes.
    #[must_use]
    pub fn flushes(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Flush | Self::Sync)
    }

    /// Whether it is part of a copy that goes in.
    #[must_use]
    pub fn copies(&self) -> bool {
        matches!(self, Self::CopyData(_) | Self::CopyDone | Self::CopyFail(_))
    }
}

fn frame(to: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    to.put_u8(tag);
    let start = to.len();
    to.put_u32(0);
    body(to);
    let length = u32::try_from(to.len() - start).unwrap_or(u32::MAX);
    to[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn text(to: &mut BytesMut, text: &str) {
    to.put_slice(text.as_bytes());
    to.put_u8(0);
}

fn count(to: &mut BytesMut, count: usize) {
    to.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

fn numbers(to: &mut BytesMut, numbers: &[i16]) {
    count(to, numbers.len());
    for number in numbers {
        to.put_i16(*number);
    }
}

fn value(to: &mut BytesMut, value: Option<&[u8]>) {
    let Some(value) = value else {
        to.put_i32(-1);
        return;
    };
    to.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
    to.put_slice(value);
}

fn target(to: &mut BytesMut, kind: Kind, name: &str) {
    to.put_u8(match kind {
        Kind::Statement => b'S',
        Kind::Portal => b'P',
    });
    text(to, name);
}

/// One frame of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What sort it is.
    pub tag: u8,
    /// What follows the length.
    pub body: Bytes,
}

impl Frame {
    /// Cuts the first frame off, if it is whole.
    pub fn cut(from: &mut BytesMut) -> Option<Self> {
        let (&tag, rest) = from.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if rest.len() < length {
            return None;
        }
        from.advance(1);
        let mut body = from.split_to(length).freeze();
        // The length counts itself.
        body.advance(4.min(length));
        Some(Self { tag, body })
    }
}

/// As a person would write it down.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(pieces) => write!(f, "Query {:?}", pieces.concat()),
            Self::Parse { name, sql, types } => write!(f, "Parse {name:?} {sql:?} {types:?}"),
            Self::Bind {
                portal,
                statement,
                formats,
                values,
                results,
            } => {
                write!(f, "Bind portal {portal:?} of {statement:?}, {formats:?} (")?;
                for value in values {
                    match value {
                        Some(value) => write!(f, " '{}'", value.escape_ascii())?,
                        None => f.write_str(" NULL")?,
                    }
                }
                write!(f, " ), results {results:?}")
            }
            Self::Describe(kind, name) => write!(f, "Describe {kind:?} {name:?}"),
            Self::Execute(portal, most) => write!(f, "Execute {portal:?} max {most}"),
            Self::Close(kind, name) => write!(f, "Close {kind:?} {name:?}"),
            Self::Flush => f.write_str("Flush"),
            Self::Sync => f.write_str("Sync"),
            Self::CopyData(data) => write!(f, "CopyData '{}'", data.escape_ascii()),
            Self::CopyDone => f.write_str("CopyDone"),
            Self::CopyFail(why) => write!(f, "CopyFail {why:?}"),
        }
    }
}
