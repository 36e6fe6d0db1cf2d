//! What is still answered in a failed transaction, and what else is asked of the server without doing anything.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::{Frame, Target, to_server};
use crate::isolation::postgres::session::Prepared;
use crate::isolation::postgres::sql::Kind;
use crate::isolation::postgres::stack::{Guard, Savepoint};
use bytes::BytesMut;

impl Batch<'_> {
    /// Whether a statement may be bound in a failed transaction; says why not.
    pub(super) async fn may_bind(
        &mut self,
        name: &[u8],
        prepared: &Prepared,
        rest: &[u8],
    ) -> Result<bool, Lost> {
        let (given, needed) = (parameters(rest), self.needs(prepared).await?);
        if self.failed {
            return Ok(false);
        }
        if given != needed {
            let name = String::from_utf8_lossy(name);
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {needed}"
            );
            self.error("08P01", &message, None).await?;
            return Ok(false);
        }
        if given > 0 || !prepared.kind.ends_failed_transaction() {
            self.refuse_failed().await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// How many parameters a statement has.
    async fn needs(&mut self, prepared: &Prepared) -> Result<u16, Lost> {
        let described = self.description(prepared).await?;
        let count = described.get(5..7).unwrap_or(&[0, 0]);
        Ok(u16::from_be_bytes([count[0], count[1]]))
    }

    /// Whether a statement returns rows.
    pub(super) async fn returns_rows(&mut self, prepared: &Prepared) -> Result<bool, Lost> {
        let described = self.description(prepared).await?;
        // Two frames: its parameters, and its columns.
        let length = described.get(1..5).unwrap_or(&[0; 4]);
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let second = usize::try_from(length)
            .ok()
            .and_then(|at| described.get(at + 1));
        Ok(match second {
            Some(tag) => *tag != b'n',
            // It is gone, though not its portals.
            None => match &prepared.kind {
                Kind::Execute(name) => match self.client.statements.get(name.as_bytes()).cloned() {
                    Some(other) => !self.description(&other).await?.ends_with(NO_DATA),
                    None => false,
                },
                kind => matches!(kind, Kind::Other | Kind::Show | Kind::Configure(_)),
            },
        })
    }

    /// What the server answers to Describe: empty if it cannot.
    async fn description(&mut self, prepared: &Prepared) -> Result<Vec<u8>, Lost> {
        if prepared.name.is_empty() {
            let mut none = BytesMut::new();
            crate::isolation::postgres::frame::to_client::no_parameters(&mut none);
            crate::isolation::postgres::frame::to_client::no_data(&mut none);
            return Ok(none.to_vec());
        }
        if let Some(described) = prepared.described.get() {
            return Ok(described.to_vec());
        }
        self.settle().await?;
        if self.failed {
            return Ok(Vec::new());
        }
        let name = &prepared.name;
        let frames = self
            .probe(|out| to_server::describe(out, Target::Statement(name)))
            .await?;
        let mut described = Vec::new();
        for frame in &frames {
            match frame.view().tag() {
                b't' | b'T' | b'n' => described.extend_from_slice(frame.view().bytes()),
                _ => {}
            }
        }
        Ok(described)
    }

    /// Asks the server something that changes nothing; the answers up to `ReadyForQuery`.
    pub(super) async fn probe(
        &mut self,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<Vec<Frame>, Lost> {
        let (savepoint, own) = self.protect();
        write(self.core.session.extended());
        self.core.session.sync();
        let (mut answers, mut undo) = (Vec::new(), false);
        loop {
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => break,
                b'E' => undo = true,
                _ => {}
            }
            answers.push(frame);
        }
        if undo {
            self.roll_back_to(savepoint.to_string().into_bytes());
        }
        if own {
            let release = format!("RELEASE {savepoint}");
            self.core.session.internal(release.into_bytes());
        }
        Ok(answers)
    }

    /// A savepoint that an error may go back to, and whether it is only for that.
    fn protect(&mut self) -> (Savepoint, bool) {
        self.enter();
        if let (false, Guard::Fresh(savepoint)) = (self.is_top(), self.core.stack.guard)
            && !(self.ran || self.deferring || self.only_reads())
        {
            return (savepoint, false);
        }
        let savepoint = self.core.stack.next_savepoint();
        let sql = format!("SAVEPOINT {savepoint}");
        self.core.session.internal(sql.into_bytes());
        (savepoint, true)
    }
}

/// As a frame.
const NO_DATA: &[u8] = b"n\0\0\0\x04";

/// How many parameters a Bind has.
fn parameters(rest: &[u8]) -> u16 {
    let int16 = |at: usize| {
        let bytes = rest.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let formats = usize::from(int16(0).unwrap_or(0));
    int16(2 + 2 * formats).unwrap_or(0)
}
