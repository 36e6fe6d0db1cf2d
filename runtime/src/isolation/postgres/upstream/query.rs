//! Internal statements: resets, settings, look-ups in the catalogue. Rows come as text.

use super::Upstream;
use super::error::{QueryError, ServerError};
use super::message::{self, ANSWER_LIMIT, Broken, Frame};
use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use std::io;
use tokio::io::AsyncWriteExt as _;

/// What a string of statements answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "the rows of `Rows` are its rows")]
pub(crate) struct Rows {
    /// Of the last statement with rows.
    pub(crate) columns: Vec<String>,
    /// Of all statements, in order. `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// One command tag for each statement.
    pub(crate) tags: Vec<String>,
    /// Whether a transaction is open afterwards: `I`dle, in a `T`ransaction, in one that has `E`rrors.
    pub(crate) status: u8,
}

impl Rows {
    /// The first column of the first row.
    pub(crate) fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

impl Upstream {
    /// Runs statements by the simple protocol and waits for all of it. A COPY is answered with a failure, or left out.
    ///
    /// # Cancel safety
    ///
    /// None: the session is of no use if this is dropped half-way.
    pub(crate) async fn simple(&mut self, sql: &str) -> Result<Rows, QueryError> {
        let mut message = BytesMut::new();
        frontend::query(sql, &mut message)
            .map_err(|error| QueryError::Protocol(error.to_string()))?;
        let sent = self.send(&message).await;
        let mut rows = Rows::default();
        let mut failure = None;
        loop {
            let frame = match message::read(&mut self.stream, &mut self.buffer, ANSWER_LIMIT).await
            {
                Ok(frame) => frame,
                // A fatal error is all there is: the server hangs up after it.
                Err(Broken::Io(error)) => {
                    let lost = || QueryError::Lost(sent.err().unwrap_or(error));
                    return Err(failure.map_or_else(lost, QueryError::Server));
                }
                Err(Broken::Length { kind, length }) => {
                    let name = message::name(kind);
                    return Err(QueryError::Protocol(format!(
                        "a message {name} of {length} bytes"
                    )));
                }
            };
            match frame.kind {
                b'E' => {
                    failure.get_or_insert_with(|| Box::new(ServerError::parse(&frame.body)));
                }
                b'G' | b'W' => {
                    let mut message = BytesMut::new();
                    frontend::copy_fail("heirloom copies nothing here", &mut message)
                        .map_err(QueryError::Lost)?;
                    self.send(&message).await.map_err(QueryError::Lost)?;
                }
                b'Z' => {
                    rows.status = frame.body.first().copied().unwrap_or_default();
                    return failure.map_or(Ok(rows), |error| Err(error.into()));
                }
                _ => self.take(frame, &mut rows)?,
            }
        }
    }

    fn take(&mut self, frame: Frame, rows: &mut Rows) -> Result<(), QueryError> {
        let Frame { kind, mut body } = frame;
        let taken = match kind {
            b'T' => columns(&mut body).map(|columns| rows.columns = columns),
            b'D' => row(&mut body).map(|row| rows.rows.push(row)),
            b'C' => message::text(&mut body).map(|tag| rows.tags.push(tag)),
            b'S' => message::text(&mut body)
                .zip(message::text(&mut body))
                .map(|(name, value)| {
                    self.parameters.insert(name, value);
                }),
            // An empty statement, a notice, a notification, a COPY to us.
            b'I' | b'N' | b'A' | b'H' | b'd' | b'c' => Some(()),
            _ => None,
        };
        taken.ok_or_else(|| {
            QueryError::Protocol(format!(
                "a message {} that means nothing here",
                message::name(kind)
            ))
        })
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await?;
        self.stream.flush().await
    }
}

fn columns(body: &mut Bytes) -> Option<Vec<String>> {
    /// What follows a column's name: table, number, type, size, modifier, format.
    const REST: usize = 18;
    let count = body.try_get_u16().ok()?;
    (0..count)
        .map(|_| {
            let name = message::text(body)?;
            (body.len() >= REST).then(|| body.advance(REST))?;
            Some(name)
        })
        .collect()
}

fn row(body: &mut Bytes) -> Option<Vec<Option<String>>> {
    let count = body.try_get_u16().ok()?;
    (0..count)
        .map(|_| {
            let length = body.try_get_i32().ok()?;
            let Ok(length) = usize::try_from(length) else {
                return Some(None);
            };
            (body.len() >= length).then(|| {
                let value = body.split_to(length);
                Some(String::from_utf8_lossy(&value).into_owned())
            })
        })
        .collect()
}
