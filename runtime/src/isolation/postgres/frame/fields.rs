//! What errors and notices say, field by field.

use super::Broken;
use super::body::{Body, string};
use std::fmt;

/// The fields of an `ErrorResponse` or `NoticeResponse`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    /// Checked: each a code and a string, and a zero at the end.
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn read(body: &mut Body<'a>) -> Result<Self, Broken> {
        let mut checked = *body;
        while checked.byte()? != 0 {
            checked.string()?;
        }
        checked.end()?;
        Ok(Self { bytes: body.rest() })
    }

    /// Each field with its code, in the order they were sent.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (&code, value) = rest.split_first().filter(|&(&code, _)| code != 0)?;
            let (value, after) = string(value)?;
            rest = after;
            Some((code, value))
        })
    }

    /// A field by its code, as the protocol's documentation lists them.
    pub(crate) fn get(self, code: u8) -> Option<&'a [u8]> {
        let mut fields = self.iter();
        fields.find_map(|(found, value)| (found == code).then_some(value))
    }

    /// `ERROR`, `WARNING`, …: never translated, unless the server is older than 9.6.
    #[cfg(test)]
    pub(crate) fn severity(self) -> &'a [u8] {
        self.get(b'V').or(self.get(b'S')).unwrap_or_default()
    }

    /// The SQLSTATE.
    pub(crate) fn code(self) -> &'a [u8] {
        self.get(b'C').unwrap_or_default()
    }

    /// In the server's language.
    pub(crate) fn message(self) -> &'a [u8] {
        self.get(b'M').unwrap_or_default()
    }

    /// More of the message.
    #[cfg(test)]
    pub(crate) fn detail(self) -> Option<&'a [u8]> {
        self.get(b'D')
    }

    /// What to do about it.
    pub(crate) fn hint(self) -> Option<&'a [u8]> {
        self.get(b'H')
    }

    /// The constraint that was violated.
    #[cfg(test)]
    pub(crate) fn constraint(self) -> Option<&'a [u8]> {
        self.get(b'n')
    }

    /// The table it is about.
    #[cfg(test)]
    pub(crate) fn table(self) -> Option<&'a [u8]> {
        self.get(b't')
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter();
        f.debug_map()
            .entries(fields.map(|(code, value)| (char::from(code), String::from_utf8_lossy(value))))
            .finish()
    }
}
