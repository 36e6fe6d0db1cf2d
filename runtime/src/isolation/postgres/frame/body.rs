//! Reads a body piece by piece.

use super::{Broken, Side, View};

/// What is left of a frame's body, and whose it is, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    rest: &'a [u8],
    side: Side,
    tag: u8,
}

impl<'a> Body<'a> {
    pub(super) fn of(view: View<'a>, side: Side) -> Self {
        Self {
            rest: view.body(),
            side,
            tag: view.tag(),
        }
    }

    /// A part of a body.
    #[cfg(test)]
    pub(super) fn inside(rest: &'a [u8], side: Side, tag: u8) -> Self {
        Self { rest, side, tag }
    }

    pub(super) fn broken(&self, what: &'static str) -> Broken {
        let Self { side, tag, .. } = *self;
        Broken::Body { side, tag, what }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.broken("ends early"))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    pub(super) fn int32(&mut self) -> Result<i32, Broken> {
        self.bytes().map(i32::from_be_bytes)
    }

    /// A string, without the zero that ends it.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Broken> {
        let (string, rest) =
            string(self.rest).ok_or_else(|| self.broken("has a string without an end"))?;
        self.rest = rest;
        Ok(string)
    }

    /// So many bytes.
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (slice, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.broken("ends early"))?;
        self.rest = rest;
        Ok(slice)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Result<(), Broken> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.broken("has bytes behind its end"))
        }
    }
}

/// A string that ends with a zero, and what follows it.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}
