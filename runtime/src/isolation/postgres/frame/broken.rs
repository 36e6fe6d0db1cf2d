//! What can be wrong with bytes that should be frames.

use super::Side;
use std::error::Error;
use std::fmt;

/// Bytes that are not what the protocol asks for. Only after [`Broken::Body`] is it known where the next frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A tag that this side does not send.
    Unknown { side: Side, tag: u8 },
    /// A length that does not even count itself.
    Length { side: Side, tag: u8, length: i32 },
    /// A frame that is larger than allowed; in bytes, with its head.
    Oversized {
        side: Side,
        tag: u8,
        size: usize,
        limit: usize,
    },
    /// A frame whose body is not of its form.
    Body {
        side: Side,
        tag: u8,
        what: &'static str,
    },
    /// A first packet of a length that none has.
    OpeningLength { length: i32 },
    /// TLS without having been asked whether it is spoken here.
    Tls,
    /// A first packet for a protocol that is not spoken here.
    Protocol { major: u16, minor: u16 },
    /// A first packet that is not of its form.
    Opening { what: &'static str },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown { side, tag } => {
                let who = sender(side);
                write!(f, "{who} sent a frame with the unknown tag {}", Tag(tag))
            }
            Self::Length { side, tag, length } => {
                let (who, name) = (sender(side), name(side, tag));
                write!(f, "{who} sent {name} with the impossible length {length}")
            }
            Self::Oversized {
                side,
                tag,
                size,
                limit,
            } => {
                let (who, name) = (sender(side), name(side, tag));
                let tag = Tag(tag);
                write!(
                    f,
                    "{who} sent {name} ({tag}) of {size} bytes; the limit is {limit}"
                )
            }
            Self::Body { side, tag, what } => {
                write!(f, "{} sent {} that {what}", sender(side), name(side, tag))
            }
            Self::OpeningLength { length } => {
                write!(f, "a first packet with the impossible length {length}")
            }
            Self::Tls => f.write_str("a TLS handshake without an SSLRequest before it"),
            Self::Protocol { major, minor } => {
                write!(f, "protocol {major}.{minor} is not spoken here, only 3")
            }
            Self::Opening { what } => write!(f, "a first packet that {what}"),
        }
    }
}

impl Error for Broken {}

fn sender(side: Side) -> &'static str {
    match side {
        Side::Client => "the client",
        Side::Server => "the server",
    }
}

fn name(side: Side, tag: u8) -> &'static str {
    side.name_of(tag).unwrap_or("a frame")
}

/// A tag as people write it.
struct Tag(u8);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", char::from(self.0).escape_default())
    }
}
