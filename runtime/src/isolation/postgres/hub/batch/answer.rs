//! What the server answers, on its way to the client.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::{Fields, Frame, Server, View};
use std::borrow::Cow;

/// Blanks up to here are sent in front of a statement.
const LONG: usize = 4096;

impl Batch<'_> {
    /// Runs statements by the simple protocol; whether all of them worked.
    pub(super) async fn run(&mut self, sql: &[u8]) -> Result<bool, Lost> {
        self.enter();
        let sql = self.placed(sql);
        self.core.session.query(&sql);
        self.answers().await
    }

    /// A statement where it stands in its string, so that the server has the right positions: errors may be in what was
    /// prepared before, too. A string may be long, and then they are moved.
    fn placed<'s>(&mut self, sql: &'s [u8]) -> Cow<'s, [u8]> {
        if self.offset == 0 || self.offset > LONG {
            return Cow::Borrowed(sql);
        }
        let blanks = std::mem::take(&mut self.offset);
        if let Some((end, _)) = &mut self.shift {
            *end += blanks;
        }
        let mut placed = vec![b' '; blanks];
        placed.extend_from_slice(sql);
        Cow::Owned(placed)
    }

    /// As [`Batch::run`], and asks whether constraints hold afterwards, in the same round trip.
    pub(super) async fn run_and_check(&mut self, sql: &[u8]) -> Result<bool, Lost> {
        self.enter();
        self.core.session.query(sql);
        self.ask_constraints();
        self.answers().await
    }

    /// Passes everything on up to `ReadyForQuery`; whether there was no error.
    pub(super) async fn answers(&mut self) -> Result<bool, Lost> {
        let mut worked = true;
        loop {
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => return Ok(worked),
                b'E' => {
                    self.server_error(&frame);
                    worked = false;
                }
                b'G' => self.copy_in(&frame, false).await?,
                _ => self.pass(&frame),
            }
        }
    }

    /// Passes on a frame that says what a statement has done.
    pub(super) fn pass(&mut self, frame: &Frame) {
        let view = frame.view();
        match view.tag() {
            b'C' => {
                self.completed(view);
                if self.holding && self.deferring && !self.in_block() {
                    self.out();
                    self.held = Some(view.bytes().into());
                    return;
                }
            }
            b'N' => self.skipped |= is_skipped(view),
            b'D' | b'd' if self.gone => return,
            _ => {}
        }
        self.out().extend_from_slice(view.bytes());
    }

    /// Takes note of what a statement has changed.
    pub(super) fn completed(&mut self, view: View<'_>) {
        let Ok(Server::CommandComplete(tag)) = Server::read(view) else {
            return;
        };
        let text = tag.as_bytes();
        let word = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let wrote = match word {
            b"INSERT" | b"UPDATE" | b"DELETE" | b"MERGE" | b"COPY" => tag.rows() != Some(0),
            b"CREATE" | b"ALTER" | b"DROP" | b"IMPORT" | b"REINDEX" => {
                self.core.session.schema_has_changed();
                true
            }
            b"TRUNCATE" | b"COMMENT" | b"GRANT" | b"REVOKE" | b"REFRESH" => true,
            _ => false,
        };
        if wrote {
            let what = String::from_utf8_lossy(text);
            self.core.stack.wrote(self.client.id, &what);
        }
    }

    /// Passes on an error, with the words that only heirloom knows.
    pub(super) fn server_error(&mut self, frame: &Frame) {
        self.failed = true;
        let view = frame.view();
        let Ok(Server::ErrorResponse(fields)) = Server::read(view) else {
            self.out().extend_from_slice(view.bytes());
            return;
        };
        if self.overflowing && fields.code() == b"57014" {
            self.unread_error();
        } else if self.needs_words(fields) {
            self.reworded(fields);
        } else {
            self.out().extend_from_slice(view.bytes());
        }
    }

    fn needs_words(&self, fields: Fields<'_>) -> bool {
        let moved = (self.offset > 0 || self.shift.is_some()) && fields.get(b'P').is_some();
        let own_name = || fields.message().windows(9).any(|part| part == b"heirloom_");
        moved || matches!(fields.code(), b"2D000" | b"25001" | b"40P01" | b"55P03") || own_name()
    }
}

/// Whether it says that something is there already.
fn is_skipped(view: View<'_>) -> bool {
    matches!(Server::read(view), Ok(Server::NoticeResponse(fields)) if fields.code() == b"42P07")
}
