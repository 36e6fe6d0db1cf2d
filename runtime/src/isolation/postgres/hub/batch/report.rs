//! Errors and warnings of our own, and the server's in other words.

use super::{Batch, Lost, UNREAD};
use crate::isolation::postgres::frame::{Fields, Report, Severity, to_client};
use bytes::{BufMut as _, BytesMut};

/// What to do about everything that needs more than one session can give.
pub(in crate::isolation::postgres::hub) const ADVICE: &str = "This test's connections share one transaction that is never committed. A test that needs this takes a database of its own: #[sandboxed(isolation = \"database\")].";

/// A column or a table is not there: errors of a statement that was prepared before, not of where it is executed.
const ELSEWHERE: &[&[u8]] = &[b"42P01", b"42703"];

impl Batch<'_> {
    /// An error of our own; what the server has to say so far comes first.
    pub(super) async fn error(
        &mut self,
        sqlstate: &str,
        message: &str,
        hint: Option<&str>,
    ) -> Result<(), Lost> {
        self.settle().await?;
        if self.failed {
            return Ok(());
        }
        self.failed = true;
        self.report(Severity::Error, sqlstate, message, hint);
        Ok(())
    }

    fn report(&mut self, severity: Severity, sqlstate: &str, message: &str, hint: Option<&str>) {
        let report = Report {
            severity,
            sqlstate,
            message,
            detail: None,
            hint,
        };
        match severity {
            Severity::Error | Severity::Fatal => to_client::error(self.out(), &report),
            Severity::Warning => to_client::notice(self.out(), &report),
        }
    }

    /// Whatever is not an end of it is refused in a failed transaction.
    pub(super) async fn refuse_failed(&mut self) -> Result<(), Lost> {
        let ended = self.core.ended.get(&self.client.id);
        let ended = ended.map(|(why, _)| why.clone());
        let usual =
            "current transaction is aborted, commands ignored until end of transaction block";
        self.error("25P02", ended.as_deref().unwrap_or(usual), None)
            .await
    }

    pub(super) fn warn(&mut self, sqlstate: &str, message: &str) {
        self.report(Severity::Warning, sqlstate, message, None);
    }

    pub(super) async fn not_in_a_block(&mut self, what: &str) -> Result<(), Lost> {
        let message = format!("{what} can only be used in transaction blocks");
        self.error("25P01", &message, None).await
    }

    pub(super) async fn barred(&mut self, what: &str) -> Result<(), Lost> {
        let message = format!("{what} cannot run inside a transaction block");
        self.error("25001", &message, Some(ADVICE)).await
    }

    pub(super) fn unread_error(&mut self) {
        let message = format!(
            "the client has not read its results: more than {} MiB are waiting",
            UNREAD / 1024 / 1024
        );
        let hint = "heirloom keeps what a connection does not read, so that the test's others can go on. Fetch less at a time, with LIMIT or a cursor.";
        self.report(Severity::Error, "54000", &message, Some(hint));
    }

    /// The server's error, with positions as in the client's own string, its own names, and advice where it helps.
    pub(super) fn reworded(&mut self, fields: Fields<'_>) {
        let advice = match fields.code() {
            b"2D000" => Some(ADVICE.to_owned()),
            b"25001" if fields.message().ends_with(b"transaction block") => Some(ADVICE.to_owned()),
            b"55P03" | b"40P01" => Some(self.shared.lock_advice(fields)),
            _ => None,
        };
        if self.executing && ELSEWHERE.contains(&fields.code()) {
            self.shift = None;
        }
        let mut body = BytesMut::new();
        for (code, value) in fields.iter() {
            body.put_u8(code);
            match code {
                b'P' => body.put_slice(&self.moved(value)),
                b'M' => body.put_slice(&self.own_names(value)),
                _ => body.put_slice(value),
            }
            if let (b'H', Some(advice)) = (code, &advice) {
                body.put_u8(b' ');
                body.put_slice(advice.as_bytes());
            }
            body.put_u8(0);
        }
        if let Some(advice) = advice.filter(|_| fields.hint().is_none()) {
            body.put_u8(b'H');
            body.put_slice(advice.as_bytes());
            body.put_u8(0);
        }
        body.put_u8(0);
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        self.out().put_u8(b'E');
        self.out().put_u32(length);
        self.out().put_slice(&body);
    }

    /// A position, in characters of the client's own string.
    fn moved(&self, position: &[u8]) -> Vec<u8> {
        let number = std::str::from_utf8(position).ok();
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.map_or_else(
            || position.to_vec(),
            |number| {
                let behind = self.shift.filter(|(end, longer)| number > end + longer);
                let number = number - behind.map_or(0, |(_, longer)| longer);
                (number + self.offset).to_string().into_bytes()
            },
        )
    }
}
