//! What clients say.

use super::body::Body;
use super::{Broken, Side, View, to_server};
use bytes::BytesMut;

pub(super) fn name_of(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'B' => "Bind",
        b'C' => "Close",
        b'D' => "Describe",
        b'E' => "Execute",
        b'F' => "FunctionCall",
        b'H' => "Flush",
        b'P' => "Parse",
        b'Q' => "Query",
        b'S' => "Sync",
        b'X' => "Terminate",
        b'c' => "CopyDone",
        b'd' => "CopyData",
        b'f' => "CopyFail",
        b'p' => "PasswordMessage",
        _ => return None,
    })
}

/// A client's frame, looked into as far as somebody needs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client<'a> {
    Parse {
        /// Of the statement; empty for the unnamed one.
        name: &'a [u8],
        query: &'a [u8],
        types: Oids<'a>,
    },
    Bind {
        /// Empty for the unnamed one.
        portal: &'a [u8],
        statement: &'a [u8],
        /// Formats and values, unread.
        rest: &'a [u8],
    },
    Describe(Target<'a>),
    Execute {
        portal: &'a [u8],
        /// 0 is no limit.
        max_rows: i32,
    },
    Close(Target<'a>),
    Query {
        sql: &'a [u8],
    },
    Sync,
    Flush,
    Terminate,
    CopyData(&'a [u8]),
    CopyDone,
    CopyFail {
        message: &'a [u8],
    },
    FunctionCall {
        function: i32,
        /// Formats and values, unread.
        rest: &'a [u8],
    },
    /// A password, or SASL: which of them depends on what was asked for.
    Password(Password<'a>),
}

/// What `Describe` and `Close` are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Statement(&'a [u8]),
    Portal(&'a [u8]),
}

/// The types of a statement's parameters, as far as the client says them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oids<'a> {
    /// Their count before them.
    bytes: &'a [u8],
}

impl<'a> Oids<'a> {
    /// None are said.
    pub(crate) const NONE: Oids<'static> = Oids { bytes: &[0, 0] };

    /// Each; 0 is unspecified.
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        let (oids, _) = self.bytes[2..].as_chunks();
        oids.iter().copied().map(u32::from_be_bytes)
    }

    /// As they are written in a frame.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// The answer to a request for authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Password<'a> {
    bytes: &'a [u8],
}

#[cfg(test)]
impl<'a> Password<'a> {
    /// To a request for a password, clear or hashed.
    ///
    /// # Errors
    ///
    /// [`Broken::Body`] if it is not one string.
    pub(crate) fn password(self) -> Result<&'a [u8], Broken> {
        let mut body = self.body();
        let password = body.string()?;
        body.end()?;
        Ok(password)
    }

    /// To the list of mechanisms: the chosen one, and what it starts with.
    ///
    /// # Errors
    ///
    /// [`Broken::Body`] if it has another form.
    pub(crate) fn sasl_initial(self) -> Result<(&'a [u8], Option<&'a [u8]>), Broken> {
        let mut body = self.body();
        let mechanism = body.string()?;
        let data = match body.int32()? {
            -1 => None,
            length => {
                let length = usize::try_from(length);
                let length = length.map_err(|_| body.broken("has a negative length"))?;
                Some(body.slice(length)?)
            }
        };
        body.end()?;
        Ok((mechanism, data))
    }

    /// To what a mechanism said.
    pub(crate) fn sasl(self) -> &'a [u8] {
        self.bytes
    }

    fn body(self) -> Body<'a> {
        Body::inside(self.bytes, Side::Client, b'p')
    }
}

impl<'a> Client<'a> {
    /// Looks into a client's frame.
    ///
    /// # Errors
    ///
    /// [`Broken::Body`], which the server answers with 08P01; [`Broken::Unknown`], if it is no client's frame.
    pub(crate) fn read(view: View<'a>) -> Result<Self, Broken> {
        let mut body = Body::of(view, Side::Client);
        let read = match view.tag() {
            b'P' => parse(&mut body)?,
            b'B' => Self::Bind {
                portal: body.string()?,
                statement: body.string()?,
                rest: body.rest(),
            },
            b'D' => Self::Describe(target(&mut body)?),
            b'C' => Self::Close(target(&mut body)?),
            b'E' => Self::Execute {
                portal: body.string()?,
                max_rows: body.int32()?,
            },
            b'Q' => Self::Query {
                sql: body.string()?,
            },
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'X' => Self::Terminate,
            b'd' => Self::CopyData(body.rest()),
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail {
                message: body.string()?,
            },
            b'F' => Self::FunctionCall {
                function: body.int32()?,
                rest: body.rest(),
            },
            b'p' => Self::Password(Password { bytes: body.rest() }),
            tag => {
                let side = Side::Client;
                return Err(Broken::Unknown { side, tag });
            }
        };
        body.end()?;
        Ok(read)
    }

    /// Writes the frame, maybe with other names in it than it was read with.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match *self {
            Self::Parse { name, query, types } => to_server::parse(out, name, query, types),
            Self::Bind {
                portal,
                statement,
                rest,
            } => to_server::bind(out, portal, statement, rest),
            Self::Describe(target) => to_server::describe(out, target),
            Self::Close(target) => to_server::close(out, target),
            Self::Execute { portal, max_rows } => to_server::execute(out, portal, max_rows),
            Self::Query { sql } => to_server::query(out, sql),
            Self::Sync => to_server::sync(out),
            Self::Flush => to_server::flush(out),
            Self::Terminate => to_server::terminate(out),
            Self::CopyData(data) => to_server::copy_data(out, data),
            Self::CopyDone => to_server::copy_done(out),
            Self::CopyFail { message } => to_server::copy_fail(out, message),
            Self::FunctionCall { function, rest } => {
                to_server::function_call(out, function, rest);
            }
            Self::Password(password) => to_server::sasl_response(out, password.bytes),
        }
    }
}

fn parse<'a>(body: &mut Body<'a>) -> Result<Client<'a>, Broken> {
    let (name, query) = (body.string()?, body.string()?);
    let mut counted = *body;
    let types = body.rest();
    let count = u16::from_be_bytes(counted.bytes()?);
    if counted.rest().len() != 4 * usize::from(count) {
        return Err(body.broken("has not as many types as it says"));
    }
    let types = Oids { bytes: types };
    Ok(Client::Parse { name, query, types })
}

fn target<'a>(body: &mut Body<'a>) -> Result<Target<'a>, Broken> {
    match body.byte()? {
        b'S' => Ok(Target::Statement(body.string()?)),
        b'P' => Ok(Target::Portal(body.string()?)),
        _ => Err(body.broken("is neither about a statement nor about a portal")),
    }
}
