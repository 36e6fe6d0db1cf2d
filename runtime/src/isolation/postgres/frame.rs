//! Frames of PostgreSQL's wire protocol 3: cut from a stream of bytes, looked into, and written.
//!
//! Bytes pass as they are: names, queries and messages are byte strings, and what nobody needs to know is not looked at.
//! Nothing here panics on input, or allocates by a length that somebody claims.

mod body;
mod broken;
mod client;
mod fields;
mod opening;
mod server;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use broken::Broken;
pub(crate) use client::{Client, Oids, Target};
pub(crate) use fields::Fields;
pub(crate) use opening::{Opening, Startup, open};
#[cfg(test)]
pub(crate) use server::{Authentication, CopyStart};
pub(crate) use server::{Server, Status};
pub(crate) use write::{Report, Severity, to_client, to_server};

use bytes::{Bytes, BytesMut};

/// Who sends a frame: the same tag means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    /// The name of a tag as the protocol's documentation has it; `None` if this side has no such frame.
    pub(crate) fn name_of(self, tag: u8) -> Option<&'static str> {
        match self {
            Self::Client => client::name_of(tag),
            Self::Server => server::name_of(tag),
        }
    }
}

/// The bytes before a body: a tag, and the length of all that follows the tag.
const HEAD: usize = 5;

/// A whole frame, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    bytes: Bytes,
}

impl Frame {
    /// What is in it.
    pub(crate) fn view(&self) -> View<'_> {
        View { bytes: &self.bytes }
    }

    /// A part of it, without copying.
    ///
    /// # Panics
    ///
    /// If it is no part of it.
    pub(crate) fn part(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }

    /// All of it, to be sent on.
    #[cfg(test)]
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// A whole frame where it stands in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// What sort of frame it is.
    pub(crate) fn tag(self) -> u8 {
        self.bytes[0]
    }

    /// What follows the head.
    pub(crate) fn body(self) -> &'a [u8] {
        &self.bytes[HEAD..]
    }

    /// All of it, to be sent on.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// Cuts frames of one side from its bytes, however they arrive. It keeps nothing between calls: what is not whole yet
/// stays in the caller's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer {
    side: Side,
    /// In bytes, with the head.
    limit: usize,
}

impl Lexer {
    /// For the frames that this side sends. One of more than `limit` bytes, head included, is an error.
    pub(crate) fn new(side: Side, limit: usize) -> Self {
        Self { side, limit }
    }

    /// How long the first frame is, as soon as its head is here; whether the rest is, is another matter.
    ///
    /// # Errors
    ///
    /// [`Broken::Unknown`], [`Broken::Length`] or [`Broken::Oversized`]: the stream cannot be followed any further.
    pub(crate) fn size(self, buffer: &[u8]) -> Result<Option<usize>, Broken> {
        let Some(&tag) = buffer.first() else {
            return Ok(None);
        };
        let Self { side, limit } = self;
        if side.name_of(tag).is_none() {
            return Err(Broken::Unknown { side, tag });
        }
        let Some(length) = buffer[1..].first_chunk().copied().map(i32::from_be_bytes) else {
            return Ok(None);
        };
        // The length counts itself, and not the tag.
        match usize::try_from(length) {
            Ok(following) if following < HEAD - 1 => Err(Broken::Length { side, tag, length }),
            Ok(following) if following >= limit => Err(Broken::Oversized {
                side,
                tag,
                size: following.saturating_add(1),
                limit,
            }),
            Ok(following) => Ok(Some(following + 1)),
            Err(_) => Err(Broken::Length { side, tag, length }),
        }
    }

    /// Takes the first frame out of a buffer, without copying it, if it is there as a whole.
    ///
    /// # Errors
    ///
    /// As [`Lexer::size`].
    pub(crate) fn take(self, buffer: &mut BytesMut) -> Result<Option<Frame>, Broken> {
        let size = self.size(buffer)?.filter(|&size| size <= buffer.len());
        Ok(size.map(|size| Frame {
            bytes: buffer.split_to(size).freeze(),
        }))
    }

    /// The first frame of a buffer, if it is there as a whole, and what follows it.
    ///
    /// # Errors
    ///
    /// As [`Lexer::size`].
    pub(crate) fn view(self, buffer: &[u8]) -> Result<Option<(View<'_>, &[u8])>, Broken> {
        let size = self.size(buffer)?;
        let parts = size.and_then(|size| buffer.split_at_checked(size));
        Ok(parts.map(|(bytes, rest)| (View { bytes }, rest)))
    }

    /// The whole frames of a buffer where they stand, for runs of frames that are only passed on. Ends after an error.
    pub(crate) fn views(self, buffer: &[u8]) -> Views<'_> {
        Views {
            lexer: self,
            rest: buffer,
            read: 0,
        }
    }
}

/// The whole frames of a buffer; see [`Lexer::views`].
#[derive(Clone, Debug)]
pub(crate) struct Views<'a> {
    lexer: Lexer,
    rest: &'a [u8],
    read: usize,
}

impl Views<'_> {
    /// How many bytes the frames have that were seen so far.
    pub(crate) fn read(&self) -> usize {
        self.read
    }
}

impl<'a> Iterator for Views<'a> {
    type Item = Result<View<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lexer.view(self.rest) {
            Ok(found) => {
                let (view, rest) = found?;
                self.rest = rest;
                self.read += view.bytes.len();
                Some(Ok(view))
            }
            Err(broken) => {
                self.rest = &[];
                Some(Err(broken))
            }
        }
    }
}

/// Reads any bytes as both sides' frames and as a beginning: what a fuzz target calls.
///
/// # Panics
///
/// If frames depend on how the bytes arrive, or are read otherwise once written again.
#[allow(dead_code, reason = "called by tests and fuzz targets")]
pub(crate) fn fuzz(bytes: &[u8]) {
    let chunk = bytes.first().map_or(1, |&first| usize::from(first) + 1);
    for side in [Side::Client, Side::Server] {
        let lexer = Lexer::new(side, 1 << 16);
        let mut views = lexer.views(bytes);
        let mut buffer = BytesMut::new();
        'stream: for part in bytes.chunks(chunk) {
            buffer.extend_from_slice(part);
            loop {
                match lexer.take(&mut buffer) {
                    Ok(Some(frame)) => {
                        assert_eq!(views.next(), Some(Ok(frame.view())));
                        read_anything(side, frame.view());
                    }
                    Ok(None) => break,
                    Err(broken) => {
                        assert_eq!(views.next(), Some(Err(broken)));
                        assert!(!broken.to_string().is_empty());
                        break 'stream;
                    }
                }
            }
        }
        assert_eq!(views.next(), None);
        assert!(views.read() <= bytes.len());
    }
    if let Ok(Some((opening, size))) = open(bytes) {
        assert!(size <= bytes.len());
        drop(format!("{opening:?}"));
    }
}

fn read_anything(side: Side, view: View<'_>) {
    match side {
        Side::Client => {
            if let Ok(client) = Client::read(view) {
                let mut again = BytesMut::new();
                client.write(&mut again);
                assert_eq!(again, view.bytes());
            }
        }
        Side::Server => drop(Server::read(view).map(|server| format!("{server:?}"))),
    }
}
