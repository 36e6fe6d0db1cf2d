//! Writes frames of our own.

pub(crate) mod to_client;
pub(crate) mod to_server;

pub(crate) use to_client::{Report, Severity};

use bytes::{BufMut as _, BytesMut};

/// A frame with this tag, and the body that is written by `body`.
///
/// # Panics
///
/// If the body has more than 2 GiB, which nothing has that came as a frame.
fn frame(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    counted(out, body);
}

/// A length that counts itself, and what it counts.
fn counted(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = int32(out.len() - start);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn int32(length: usize) -> i32 {
    i32::try_from(length).expect("our own frames are shorter than 2 GiB")
}

/// A string and the zero that ends it. The protocol has no strings with a zero in them: of such a one, the part before it.
fn string(out: &mut BytesMut, text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    let end = text.iter().position(|&byte| byte == 0);
    out.put_slice(&text[..end.unwrap_or(text.len())]);
    out.put_u8(0);
}
