//! What a client sends first, before frames have tags.

use super::Broken;
use super::body::string;
use std::fmt;

/// The longest first packet that the server takes, its `MAX_STARTUP_PACKET_LENGTH`, in bytes.
const LONGEST: usize = 10_000;

/// In place of a protocol version: a major version that will never be.
const REQUEST: u16 = 1234;

/// A client's first packet. After the answer to [`Opening::Tls`] or [`Opening::Gss`] comes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening<'a> {
    Startup(Startup<'a>),
    /// `SSLRequest`: answered by one byte, `S` or `N`.
    Tls,
    /// `GSSENCRequest`: answered by one byte, `G` or `N`.
    Gss,
    /// `CancelRequest`: not answered, the connection is closed.
    Cancel {
        process: i32,
        /// 4 bytes; up to 256 from protocol 3.2 on.
        secret: &'a [u8],
    },
}

/// `StartupMessage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Startup<'a> {
    /// Of protocol 3: 0 or 2, or one that is not known yet.
    pub(crate) minor: u16,
    pub(crate) parameters: Parameters<'a>,
}

/// Names and values of a startup packet: `user`, `database`, `options`, and settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters<'a> {
    /// Checked: pairs of strings, and an empty one at the end.
    bytes: &'a [u8],
}

impl<'a> Parameters<'a> {
    /// Each, in the order they were sent.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (name, after) = string(rest).filter(|(name, _)| !name.is_empty())?;
            let (value, after) = string(after)?;
            rest = after;
            Some((name, value))
        })
    }

    /// A parameter's value; of several the last, as in the server.
    pub(crate) fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        let named = self.iter().filter(|(found, _)| *found == name);
        named.last().map(|(_, value)| value)
    }
}

impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        let parameters = self.iter();
        f.debug_map()
            .entries(parameters.map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

impl<'a> Startup<'a> {
    /// What to answer by `NegotiateProtocolVersion` if no newer minor version than this is spoken here: the version to
    /// go on with, and the protocol options (`_pq_.…`) that are not known. `None` if there is nothing to negotiate.
    pub(crate) fn negotiate(&self, newest: u16) -> Option<(u16, Vec<&'a [u8]>)> {
        let names = self.parameters.iter().map(|(name, _)| name);
        let options: Vec<_> = names.filter(|name| name.starts_with(b"_pq_.")).collect();
        let differs = self.minor > newest || !options.is_empty();
        differs.then(|| (self.minor.min(newest), options))
    }
}

/// The first packet and its size in bytes, if it is there as a whole.
///
/// # Errors
///
/// [`Broken::Tls`], [`Broken::OpeningLength`], [`Broken::Protocol`] or [`Broken::Opening`].
pub(crate) fn open(buffer: &[u8]) -> Result<Option<(Opening<'_>, usize)>, Broken> {
    // A TLS record of a handshake, from a client with `sslnegotiation=direct`.
    if buffer.starts_with(&[0x16, 3]) {
        return Err(Broken::Tls);
    }
    let Some(length) = buffer.first_chunk().copied().map(i32::from_be_bytes) else {
        return Ok(None);
    };
    let size = usize::try_from(length).ok();
    let size = size.filter(|size| (8..=LONGEST).contains(size));
    let size = size.ok_or(Broken::OpeningLength { length })?;
    let Some((packet, _)) = buffer.split_at_checked(size) else {
        return Ok(None);
    };
    read(&packet[4..]).map(|opening| Some((opening, size)))
}

/// Reads a packet from its version on.
fn read(packet: &[u8]) -> Result<Opening<'_>, Broken> {
    let early = Broken::Opening { what: "ends early" };
    let (major, rest) = packet.split_first_chunk().ok_or(early)?;
    let (minor, rest) = rest.split_first_chunk().ok_or(early)?;
    match (u16::from_be_bytes(*major), u16::from_be_bytes(*minor)) {
        (3, minor) => Ok(Opening::Startup(Startup {
            minor,
            parameters: parameters(rest)?,
        })),
        (REQUEST, 5679) => nothing(rest).map(|()| Opening::Tls),
        (REQUEST, 5680) => nothing(rest).map(|()| Opening::Gss),
        (REQUEST, 5678) => {
            let (process, secret) = rest.split_first_chunk().ok_or(early)?;
            let process = i32::from_be_bytes(*process);
            if secret.is_empty() || secret.len() > 256 {
                let what = "cancels by a key of a length that none has";
                return Err(Broken::Opening { what });
            }
            Ok(Opening::Cancel { process, secret })
        }
        (major, minor) => Err(Broken::Protocol { major, minor }),
    }
}

fn nothing(rest: &[u8]) -> Result<(), Broken> {
    let what = "has bytes behind its end";
    rest.is_empty()
        .then_some(())
        .ok_or(Broken::Opening { what })
}

fn parameters(bytes: &[u8]) -> Result<Parameters<'_>, Broken> {
    let what = "has a string without an end";
    let mut rest = bytes;
    loop {
        let (name, after) = string(rest).ok_or(Broken::Opening { what })?;
        if name.is_empty() {
            nothing(after)?;
            return Ok(Parameters { bytes });
        }
        rest = string(after).ok_or(Broken::Opening { what })?.1;
    }
}
