//! A query of the simple protocol: one string, any number of statements.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::{
    Frame, Oids, Report, Server, Severity, to_client, to_server,
};
use crate::isolation::postgres::settings::Settings;
use crate::isolation::postgres::sql::{Direction, Kind, Statement, split};
use bytes::BytesMut;

/// Where the server's parser is written: an error from there means that nothing of a string was run.
const PARSER: &[&[u8]] = &[b"gram.y", b"scan.l", b"parser.c", b"scansup.c"];

impl Batch<'_> {
    /// Runs a query, and says where the connection stands.
    pub(in crate::isolation::postgres::hub) async fn query(
        &mut self,
        sql: &[u8],
    ) -> Result<(), Lost> {
        self.notice_end();
        // As the server does with every simple query.
        if let Some(unnamed) = self.client.statements.remove(&b""[..]) {
            self.free(&unnamed);
        }
        self.client.portals.remove(&b""[..]);
        self.holding = true;
        self.string(sql).await?;
        self.conclude().await?;
        self.finish().await
    }

    /// Calls a function by its frame, and says where the connection stands.
    pub(in crate::isolation::postgres::hub) async fn call(
        &mut self,
        frame: &[u8],
    ) -> Result<(), Lost> {
        self.notice_end();
        if self.is_doomed() {
            self.refuse_failed().await?;
        } else {
            self.enter();
            self.core.session.call(frame);
            self.answers().await?;
        }
        self.conclude().await?;
        self.finish().await
    }

    /// Tries the settings that a connection begins with; what the server has against them otherwise.
    pub(in crate::isolation::postgres::hub) async fn introduce(
        &mut self,
        settings: &Settings,
    ) -> Result<Result<(), BytesMut>, Lost> {
        let statements = Settings::default().statements_to(settings);
        if statements.is_empty() {
            self.enter();
            self.core.session.drain().await?;
            return Ok(Ok(()));
        }
        let sql = statements.join(&b';');
        self.enter();
        self.core.session.query(&sql);
        let mut refused = None;
        loop {
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => break,
                b'E' => refused = Some(frame),
                _ => {}
            }
        }
        if let Some(error) = refused {
            self.failed = true;
            self.heal();
            return Ok(Err(fatal(&error)));
        }
        self.client.settings = settings.clone();
        self.core.session.applied = settings.clone();
        self.keep();
        Ok(Ok(()))
    }

    /// Ends what made a transaction of its own.
    async fn conclude(&mut self) -> Result<(), Lost> {
        if self.checking && self.failed {
            self.constraints_hold().await?;
        }
        if self.failed {
            self.heal();
        } else if self.deferring && !self.in_block() {
            self.check_deferred().await?;
        }
        self.depart();
        Ok(())
    }

    /// Leaves the session as the connection's next transaction is to find it.
    pub(super) fn depart(&mut self) {
        if self.failed {
            self.locals.clear();
            return;
        }
        self.keep();
        if !self.in_block() {
            let cursors = std::mem::take(&mut self.cursors);
            self.close_cursors(&cursors);
            let locals = std::mem::take(&mut self.locals);
            self.unset_locals(&locals);
            self.publish();
            self.end_temporaries();
        }
    }

    async fn string(&mut self, sql: &[u8]) -> Result<(), Lost> {
        self.remember(sql);
        let mut statements = split(sql, self.client.strings());
        let Some(first) = statements.next() else {
            to_client::empty_query_response(self.out());
            return Ok(());
        };
        let several = statements.next().is_some();
        let kind = first.kind();
        if !several && !self.is_doomed() {
            return self.single(&kind, sql, &first).await;
        }
        if !several && kind.ends_failed_transaction() {
            return self.control(&kind, first.text).await;
        }
        let plain = !self.is_doomed()
            && is_plain(&kind)
            && split(sql, first.strings).all(|statement| is_plain(&statement.kind()));
        if !plain && !self.is_parsed(sql).await? {
            return Ok(());
        }
        self.implicit = several;
        if plain {
            for statement in split(sql, first.strings) {
                self.runs(&statement.kind());
            }
            self.defer().await?;
            self.run(sql).await?;
            return Ok(());
        }
        self.pieces(sql).await
    }

    async fn single(
        &mut self,
        kind: &Kind,
        sql: &[u8],
        statement: &Statement<'_>,
    ) -> Result<(), Lost> {
        if is_plain(kind) {
            self.runs(kind);
            self.defer().await?;
            // What a COPY reads is not to be taken for its data.
            if self.deferring && !self.in_block() && *kind != Kind::Copy(Direction::In) {
                self.run_and_check(sql).await?;
            } else {
                self.run(sql).await?;
            }
            return Ok(());
        }
        self.offset = characters(sql, statement.range.start, &mut (0, 0));
        if kind.takes_snapshot() {
            self.runs(kind);
            self.defer().await?;
        }
        self.control(kind, statement.text).await
    }

    /// One statement after the other, those that need nothing special together.
    async fn pieces(&mut self, sql: &[u8]) -> Result<(), Lost> {
        let mut plain: Option<std::ops::Range<usize>> = None;
        let mut counted = (0, 0);
        for statement in split(sql, self.client.strings()) {
            let kind = statement.kind();
            if is_plain(&kind) && !self.is_doomed() {
                self.runs(&kind);
                let from = plain.map_or(statement.range.start, |range| range.start);
                plain = Some(from..statement.range.end);
                continue;
            }
            if let Some(range) = plain.take() {
                self.piece(sql, range, &mut counted).await?;
            }
            if !self.failed {
                self.special(sql, &statement, &kind, &mut counted).await?;
            }
            if self.failed {
                return Ok(());
            }
        }
        if let Some(range) = plain {
            self.piece(sql, range, &mut counted).await?;
        }
        Ok(())
    }

    async fn piece(
        &mut self,
        sql: &[u8],
        range: std::ops::Range<usize>,
        counted: &mut (usize, usize),
    ) -> Result<(), Lost> {
        self.defer().await?;
        self.offset = characters(sql, range.start, counted);
        self.run(&sql[range]).await?;
        self.offset = 0;
        Ok(())
    }

    async fn special(
        &mut self,
        sql: &[u8],
        statement: &Statement<'_>,
        kind: &Kind,
        counted: &mut (usize, usize),
    ) -> Result<(), Lost> {
        if self.is_doomed() && !kind.ends_failed_transaction() {
            return self.refuse_failed().await;
        }
        self.offset = characters(sql, statement.range.start, counted);
        self.early_deferral |= matches!(kind, Kind::Set(_) | Kind::SetConstraints(_));
        if kind.takes_snapshot() || self.early_deferral {
            self.defer().await?;
        }
        self.control(kind, statement.text).await?;
        self.offset = 0;
        Ok(())
    }

    /// Whether the server can read a string at all: if not, it says so, and nothing of it is run.
    ///
    /// It reads all of it for a Parse as well, before it refuses several statements there.
    pub(super) async fn is_parsed(&mut self, sql: &[u8]) -> Result<bool, Lost> {
        self.is_accepted(sql, Oids::NONE, |file| PARSER.contains(&file))
            .await
    }

    /// Whether the server has nothing against a statement before it runs it; it says what.
    pub(super) async fn is_sound(&mut self, sql: &[u8], types: Oids<'_>) -> Result<bool, Lost> {
        self.is_accepted(sql, types, |_| true).await
    }

    async fn is_accepted(
        &mut self,
        sql: &[u8],
        types: Oids<'_>,
        counts: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Lost> {
        let answers = self
            .probe(|out| to_server::parse(out, "", sql, types))
            .await?;
        for frame in &answers {
            if let Ok(Server::ErrorResponse(fields)) = Server::read(frame.view())
                && counts(fields.get(b'F').unwrap_or_default())
            {
                for notice in answers.iter().filter(|frame| frame.view().tag() == b'N') {
                    self.pass(notice);
                }
                self.server_error(frame);
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// An error as what ends a connection.
fn fatal(error: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    if let Ok(Server::ErrorResponse(fields)) = Server::read(error.view()) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (code, message) = (text(fields.code()), text(fields.message()));
        to_client::error(
            &mut out,
            &Report {
                severity: Severity::Fatal,
                sqlstate: &code,
                message: &message,
                detail: None,
                hint: None,
            },
        );
    }
    out
}

/// Whether it may be sent as it is, and nothing has to be known of it afterwards.
pub(super) fn is_plain(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Empty
            | Kind::Ddl
            | Kind::Malformed
            | Kind::Show
            | Kind::Other
            | Kind::Do
            | Kind::Call
            | Kind::Copy(_)
            | Kind::Fetch(_)
    )
}

/// How many characters are before a byte; `counted` is where that was known last.
fn characters(sql: &[u8], at: usize, counted: &mut (usize, usize)) -> usize {
    let (bytes, mut characters) = *counted;
    let between = sql.get(bytes..at).unwrap_or_default();
    characters += between.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    *counted = (at, characters);
    characters
}
