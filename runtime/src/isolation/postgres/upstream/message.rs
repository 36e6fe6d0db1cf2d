//! Frames of the server, read one at a time with a bound on their size.

use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest frame during a login. libpq takes 30,000 bytes at most for an error there.
pub(super) const LOGIN_LIMIT: usize = 64 * 1024;

/// The longest frame in an answer to an internal statement.
pub(super) const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// One message: its kind and what is in it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) body: Bytes,
}

/// Why there is no frame.
#[derive(Debug)]
pub(super) enum Broken {
    /// The socket's error, or its end.
    Io(io::Error),
    /// A length that no server sends; the first bytes are still in the buffer.
    Length { kind: u8, length: u32 },
}

/// Waits for the next frame. Cancel safe: what has been read stays in the buffer.
pub(super) async fn read<R: AsyncRead + Unpin>(
    from: &mut R,
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<Frame, Broken> {
    loop {
        if let Some(frame) = take(buffer, limit)? {
            return Ok(frame);
        }
        if from.read_buf(buffer).await.map_err(Broken::Io)? == 0 {
            return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// The first frame in the buffer, if it is there whole. Nothing is reserved on the word of a length.
fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, Broken> {
    let [kind, a, b, c, d, ..] = **buffer else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    let total = usize::try_from(length).unwrap_or(usize::MAX);
    if total < 4 || total > limit {
        return Err(Broken::Length { kind, length });
    }
    if buffer.len() <= total {
        return Ok(None);
    }
    let mut body = buffer.split_to(total + 1).freeze();
    body.advance(5);
    Ok(Some(Frame { kind, body }))
}

/// Text up to a zero byte.
pub(super) fn text(body: &mut Bytes) -> Option<String> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = body.split_to(end);
    body.advance(1);
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The kind as a person may look it up.
pub(super) fn name(kind: u8) -> String {
    if kind.is_ascii_graphic() {
        format!("`{}`", char::from(kind))
    } else {
        format!("0x{kind:02x}")
    }
}
