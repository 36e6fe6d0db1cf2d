//! A session's frames, as whoever's turn it is sends and reads them.

use super::{Lost, Session};
use crate::isolation::postgres::frame::{Frame, Oids, to_server};
use bytes::BytesMut;
use std::future::poll_fn;
use std::sync::LazyLock;
use std::task::{Context, Poll};

/// The statements that renew the usual savepoint: they are prepared, by these names.
pub(super) const PREPARED: [(&str, &str); 2] = [
    ("heirloom_release", "RELEASE heirloom_g"),
    ("heirloom_savepoint", "SAVEPOINT heirloom_g"),
];

/// Their Bind and Execute. The Flush is for whoever wants to stop the statement behind them: it has begun when these are
/// answered.
static RENEW: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut frames = BytesMut::new();
    for (name, _) in PREPARED {
        to_server::bind(&mut frames, "", name, to_server::NO_VALUES);
        to_server::execute(&mut frames, "", 0);
    }
    to_server::flush(&mut frames);
    frames.to_vec()
});

impl Session {
    /// Sends statements of our own, which cannot fail, in front of what comes next. Nobody waits for the answer.
    pub(crate) fn internal(&mut self, sql: Vec<u8>) {
        self.link.internal(sql);
    }

    /// Prepares what [`Session::renew_guard`] runs.
    pub(super) fn prepare_guard(&mut self) {
        let mut frames = BytesMut::new();
        for (name, sql) in PREPARED {
            to_server::parse(&mut frames, name, sql, Oids::NONE);
        }
        self.link.internal_frames(&frames);
    }

    /// As [`Session::internal`], in frames of the extended protocol without a Sync.
    pub(crate) fn internal_frames(&mut self, frames: &[u8]) {
        self.link.internal_frames(frames);
    }

    /// Lets go of the usual savepoint and sets it again, in front of what comes next.
    pub(crate) fn renew_guard(&mut self) {
        self.link.prefix(&RENEW, 4);
    }

    pub(crate) fn query(&mut self, sql: &[u8]) {
        self.link.query(sql);
    }

    /// Another frame that is answered by `ReadyForQuery`, as it is.
    pub(crate) fn call(&mut self, frame: &[u8]) {
        self.link.call(frame);
    }

    /// Where frames of the extended protocol are written.
    pub(crate) fn extended(&mut self) -> &mut BytesMut {
        self.link.extended()
    }

    /// Whether there are frames behind the last Sync.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.link.is_unsynced()
    }

    pub(crate) fn sync(&mut self) {
        self.link.sync();
    }

    /// A frame of a COPY, as it is.
    pub(crate) fn copy(&mut self, frame: &[u8]) {
        self.link.copy(frame);
    }

    /// COPY's data begins; `sync_sent`: a Sync came behind the statement, which the server leaves out.
    pub(crate) fn copy_begins(&mut self, sync_sent: bool) {
        self.link.copy_begins(sync_sent);
    }

    pub(crate) fn copy_fail(&mut self, why: &str) {
        self.link.copy_fail(why);
    }

    pub(crate) fn copy_ends(&mut self) {
        self.link.copy_ends();
    }

    /// How much is waiting to be sent, in bytes.
    pub(crate) fn backlog(&self) -> usize {
        self.link.backlog()
    }

    /// The next frame that somebody waits for, if it is here.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, Lost> {
        self.link.take()
    }

    /// Waits until there is more to read, writing meanwhile what is to be sent.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.link.poll_fill(cx)
    }

    /// As [`Session::poll_fill`].
    pub(crate) async fn fill(&mut self) -> Result<(), Lost> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Sends as much as the socket takes at once; the rest goes with what comes next.
    pub(crate) fn send_now(&mut self) {
        self.link.send_now();
    }

    /// Ends what was begun, so that everything is going to be answered.
    pub(crate) fn wind_up(&mut self) {
        self.link.wind_up();
    }

    /// Reads what is here for nobody; whether more is to come.
    pub(crate) fn skip(&mut self) -> Result<bool, Lost> {
        self.link.skip()
    }

    /// Writes what is left and reads until nothing is outstanding.
    pub(crate) async fn drain(&mut self) -> Result<(), Lost> {
        self.link.drain().await
    }

    /// Whether its transaction has failed, and nothing is on its way that makes it good.
    pub(crate) fn is_failed(&self) -> bool {
        self.link.is_failed()
    }

    /// Whether something of our own is outstanding, which is answered before what others asked for.
    pub(crate) fn owes_us(&self) -> bool {
        self.link.owes_us()
    }

    /// Whether nothing that was asked for is outstanding.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.link.is_at_rest()
    }

    /// What was prepared before may return something else from here on.
    pub(crate) fn schema_has_changed(&mut self) {
        self.cache.schema_has_changed();
        self.deferred = None;
    }

    /// The server's process.
    pub(crate) fn process(&self) -> i32 {
        self.canceller.process().cast_signed()
    }
}

#[cfg(test)]
impl Session {
    /// Runs statements and reads their rows as text.
    pub(crate) async fn simple(
        &mut self,
        sql: &str,
    ) -> Result<
        crate::isolation::postgres::upstream::Rows,
        crate::isolation::postgres::upstream::QueryError,
    > {
        use crate::isolation::postgres::upstream::{QueryError, Rows, ServerError};
        self.query(sql.as_bytes());
        let (mut done, mut failed) = (Rows::default(), None);
        loop {
            let Some(frame) = self.take()? else {
                self.fill().await?;
                continue;
            };
            let body = frame.view().body();
            match frame.view().tag() {
                b'D' => done.rows.push(texts(body)),
                b'E' => failed = Some(Box::new(ServerError::parse(body))),
                b'Z' => break,
                _ => {}
            }
        }
        done.status = self.link.status.byte();
        failed.map_or(Ok(done), |error| Err(QueryError::Server(error)))
    }
}

/// The values of a row.
#[cfg(test)]
fn texts(mut row: &[u8]) -> Vec<Option<String>> {
    use bytes::Buf as _;
    (0..row.get_u16())
        .map(|_| {
            let length = usize::try_from(row.get_i32()).ok()?;
            let text = String::from_utf8_lossy(&row[..length]).into_owned();
            row.advance(length);
            Some(text)
        })
        .collect()
}
