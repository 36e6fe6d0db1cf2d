//! What servers say.

use super::body::Body;
#[cfg(test)]
use super::body::string;
use super::{Broken, Fields, Side, View};
use std::fmt;

pub(super) fn name_of(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'R' => "Authentication",
        b'K' => "BackendKeyData",
        b'S' => "ParameterStatus",
        b'Z' => "ReadyForQuery",
        b'v' => "NegotiateProtocolVersion",
        b'T' => "RowDescription",
        b't' => "ParameterDescription",
        b'D' => "DataRow",
        b'C' => "CommandComplete",
        b'I' => "EmptyQueryResponse",
        b'E' => "ErrorResponse",
        b'N' => "NoticeResponse",
        b'A' => "NotificationResponse",
        b'1' => "ParseComplete",
        b'2' => "BindComplete",
        b'3' => "CloseComplete",
        b'n' => "NoData",
        b's' => "PortalSuspended",
        b'V' => "FunctionCallResponse",
        b'G' => "CopyInResponse",
        b'H' => "CopyOutResponse",
        b'W' => "CopyBothResponse",
        b'd' => "CopyData",
        b'c' => "CopyDone",
        _ => return None,
    })
}

/// A server's frame, looked into as far as somebody needs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server<'a> {
    Authentication(Authentication<'a>),
    BackendKeyData {
        process: i32,
        /// 4 bytes; up to 256 from protocol 3.2 on.
        secret: &'a [u8],
    },
    ParameterStatus {
        name: &'a [u8],
        value: &'a [u8],
    },
    ReadyForQuery(Status),
    NegotiateProtocolVersion {
        /// Of protocol 3, the newest minor version that the server speaks.
        minor: u16,
        /// Options that it does not know, unread.
        rest: &'a [u8],
    },
    /// Unread.
    RowDescription(&'a [u8]),
    /// Unread.
    ParameterDescription(&'a [u8]),
    /// Unread.
    DataRow(&'a [u8]),
    CommandComplete(CommandTag<'a>),
    EmptyQueryResponse,
    ErrorResponse(Fields<'a>),
    NoticeResponse(Fields<'a>),
    NotificationResponse {
        process: i32,
        channel: &'a [u8],
        payload: &'a [u8],
    },
    ParseComplete,
    BindComplete,
    CloseComplete,
    NoData,
    PortalSuspended,
    /// Unread.
    FunctionCallResponse(&'a [u8]),
    CopyIn(CopyStart),
    CopyOut(CopyStart),
    CopyBoth(CopyStart),
    CopyData(&'a [u8]),
    CopyDone,
}

/// Where a session stands with its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// In none.
    Idle,
    /// In a transaction block.
    Open,
    /// In a failed one, which answers everything with 25P02 until it ends.
    Failed,
}

impl Status {
    /// As `ReadyForQuery` has it.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}

/// What completed, such as `INSERT 0 5`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommandTag<'a> {
    text: &'a [u8],
}

impl<'a> CommandTag<'a> {
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// How many rows it was about, where a number stands at the end.
    pub(crate) fn rows(self) -> Option<u64> {
        let number = self.text.rsplit(|&byte| byte == b' ').next()?;
        std::str::from_utf8(number).ok()?.parse().ok()
    }
}

impl fmt::Debug for CommandTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.text))
    }
}

/// How a `COPY` goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyStart {
    /// In binary, not in text.
    pub(crate) binary: bool,
    pub(crate) columns: u16,
}

/// What the server wants to know, or thinks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication<'a> {
    Ok,
    CleartextPassword,
    Md5Password {
        salt: [u8; 4],
    },
    Sasl(Mechanisms<'a>),
    SaslContinue(&'a [u8]),
    SaslFinal(&'a [u8]),
    /// Kerberos, GSS, SSPI, …: by number.
    Other(i32),
}

/// SASL mechanisms, the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mechanisms<'a> {
    /// Checked: strings, and an empty one at the end.
    bytes: &'a [u8],
}

#[cfg(test)]
impl<'a> Mechanisms<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (name, after) = string(rest).filter(|(name, _)| !name.is_empty())?;
            rest = after;
            Some(name)
        })
    }
}

impl<'a> Server<'a> {
    /// Looks into a server's frame.
    ///
    /// # Errors
    ///
    /// [`Broken::Body`]; [`Broken::Unknown`], if it is no server's frame.
    pub(crate) fn read(view: View<'a>) -> Result<Self, Broken> {
        let mut body = Body::of(view, Side::Server);
        let read = match view.tag() {
            b'D' => Self::DataRow(body.rest()),
            b'd' => Self::CopyData(body.rest()),
            b'T' => Self::RowDescription(body.rest()),
            b't' => Self::ParameterDescription(body.rest()),
            b'V' => Self::FunctionCallResponse(body.rest()),
            b'C' => Self::CommandComplete(CommandTag {
                text: body.string()?,
            }),
            b'Z' => Self::ReadyForQuery(status(&mut body)?),
            b'1' => Self::ParseComplete,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'n' => Self::NoData,
            b's' => Self::PortalSuspended,
            b'I' => Self::EmptyQueryResponse,
            b'c' => Self::CopyDone,
            b'G' => Self::CopyIn(copy_start(&mut body)?),
            b'H' => Self::CopyOut(copy_start(&mut body)?),
            b'W' => Self::CopyBoth(copy_start(&mut body)?),
            b'E' => Self::ErrorResponse(Fields::read(&mut body)?),
            b'N' => Self::NoticeResponse(Fields::read(&mut body)?),
            _ => rare(view.tag(), &mut body)?,
        };
        body.end()?;
        Ok(read)
    }
}

/// What comes at the beginning, or out of order.
fn rare<'a>(tag: u8, body: &mut Body<'a>) -> Result<Server<'a>, Broken> {
    Ok(match tag {
        b'S' => Server::ParameterStatus {
            name: body.string()?,
            value: body.string()?,
        },
        b'A' => Server::NotificationResponse {
            process: body.int32()?,
            channel: body.string()?,
            payload: body.string()?,
        },
        b'K' => Server::BackendKeyData {
            process: body.int32()?,
            secret: body.rest(),
        },
        b'v' => Server::NegotiateProtocolVersion {
            minor: minor_version(body)?,
            rest: body.rest(),
        },
        b'R' => Server::Authentication(authentication(body)?),
        tag => {
            let side = Side::Server;
            return Err(Broken::Unknown { side, tag });
        }
    })
}

/// The documentation says that only the minor version is here; servers send both, and some poolers do as it says.
fn minor_version(body: &mut Body<'_>) -> Result<u16, Broken> {
    match (
        u16::from_be_bytes(body.bytes()?),
        u16::from_be_bytes(body.bytes()?),
    ) {
        (0 | 3, minor) => Ok(minor),
        _ => Err(body.broken("is about another protocol than 3")),
    }
}

fn status(body: &mut Body<'_>) -> Result<Status, Broken> {
    match body.byte()? {
        b'I' => Ok(Status::Idle),
        b'T' => Ok(Status::Open),
        b'E' => Ok(Status::Failed),
        _ => Err(body.broken("has an unknown transaction status")),
    }
}

fn copy_start(body: &mut Body<'_>) -> Result<CopyStart, Broken> {
    let binary = body.byte()? != 0;
    let columns = u16::from_be_bytes(body.bytes()?);
    body.slice(2 * usize::from(columns))?;
    Ok(CopyStart { binary, columns })
}

fn authentication<'a>(body: &mut Body<'a>) -> Result<Authentication<'a>, Broken> {
    Ok(match body.int32()? {
        0 => Authentication::Ok,
        3 => Authentication::CleartextPassword,
        5 => Authentication::Md5Password {
            salt: body.bytes()?,
        },
        10 => Authentication::Sasl(mechanisms(body)?),
        11 => Authentication::SaslContinue(body.rest()),
        12 => Authentication::SaslFinal(body.rest()),
        other => {
            body.rest();
            Authentication::Other(other)
        }
    })
}

fn mechanisms<'a>(body: &mut Body<'a>) -> Result<Mechanisms<'a>, Broken> {
    let mut checked = *body;
    while !checked.string()?.is_empty() {}
    checked.end()?;
    Ok(Mechanisms { bytes: body.rest() })
}
