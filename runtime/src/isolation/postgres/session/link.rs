//! Frames to the server and from it, and what of them is still outstanding.
//!
//! All that is known stays here when whoever waits is dropped, so that a session can be put in order afterwards.

use crate::clock::{Clock, Hold};
use crate::isolation::postgres::frame::{Frame, Lexer, Server, Side, Status, to_server};
use crate::isolation::postgres::upstream::{QueryError, ServerError, Stream};
use bytes::{Buf as _, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

/// The longest frame that is taken from the server: its own limit for a message, 1 GiB, and a head.
const LEXER_LIMIT: usize = (1 << 30) + 64;

/// How much is asked of the socket at once.
const READ: usize = 16 * 1024;

/// A session is of no more use. Nothing that happened in it is kept, so whoever owns it has to be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The server hung up.
    #[error("the connection to PostgreSQL was lost")]
    Io(#[source] io::Error),
    /// The server said why it ended the session.
    #[error("PostgreSQL ended the session: {0}")]
    Ended(Box<ServerError>),
    /// Something ended the transaction that is never to end.
    #[error(
        "the test's transaction was ended from within, by a statement that heirloom does not know to do that"
    )]
    Committed,
    /// What is sent by heirloom itself and cannot fail did.
    #[error("PostgreSQL refused what heirloom itself sent, `{sql}`: {error}")]
    Internal {
        /// What it was.
        sql: String,
        /// In the server's words.
        error: Box<ServerError>,
    },
    /// Frames that no server sends, or not there.
    #[error("PostgreSQL answered out of step: {0}")]
    Protocol(String),
}

impl From<Lost> for QueryError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Io(error) => Self::Lost(error),
            Lost::Ended(error) | Lost::Internal { error, .. } => Self::Server(error),
            Lost::Committed | Lost::Protocol(_) => Self::Protocol(lost.to_string()),
        }
    }
}

/// Something of our own that the server is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    /// By anything, and then by `ReadyForQuery`.
    Ready,
    /// By so many frames.
    Frames(usize),
}

/// One end of a session's socket.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    input: BytesMut,
    output: BytesMut,
    /// Queries and Syncs that are not answered by `ReadyForQuery` yet.
    unanswered: usize,
    /// What of our own is not answered yet, all of it before what others asked for. The answers are nobody's.
    internal: VecDeque<Own>,
    /// Whether there are frames behind the last Sync.
    unsynced: bool,
    /// Whether the server waits for COPY's data.
    copying: bool,
    /// What was sent last by [`Link::internal`], for errors.
    sent: Vec<u8>,
    lexer: Lexer,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) status: Status,
    lost: bool,
    clock: Option<Clock>,
    /// While the server is waited for.
    hold: Option<Hold>,
}

impl Link {
    pub(super) fn new(
        stream: Stream,
        input: BytesMut,
        parameters: BTreeMap<String, String>,
    ) -> Self {
        Self {
            stream,
            input,
            output: BytesMut::new(),
            unanswered: 0,
            internal: VecDeque::new(),
            unsynced: false,
            copying: false,
            sent: Vec::new(),
            lexer: Lexer::new(Side::Server, LEXER_LIMIT),
            parameters,
            status: Status::Idle,
            lost: false,
            clock: None,
            hold: None,
        }
    }

    /// The socket, what was read of it, and the server's parameters.
    pub(super) fn into_parts(self) -> (Stream, BytesMut, BTreeMap<String, String>) {
        (self.stream, self.input, self.parameters)
    }

    /// Moves the socket to the current runtime, with all that is outstanding.
    pub(super) fn rehome(mut self) -> io::Result<Self> {
        self.stream = Stream::from_std(self.stream.into_std()?)?;
        Ok(self)
    }

    pub(super) fn set_clock(&mut self, clock: Option<Clock>) {
        self.clock = clock;
        self.hold = None;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether nothing is outstanding, so that somebody else may go on with it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.nobody_waits() && !self.unsynced && !self.copying
    }

    /// Whether everything that is outstanding is our own.
    fn nobody_waits(&self) -> bool {
        let own = self.internal.iter().filter(|own| **own == Own::Ready);
        self.unanswered == own.count()
    }

    pub(super) fn owes_us(&self) -> bool {
        !self.internal.is_empty()
    }

    pub(super) fn is_failed(&self) -> bool {
        self.status == Status::Failed && self.internal.is_empty()
    }

    /// Whether there are frames behind the last Sync.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Where frames of the extended protocol are written.
    pub(super) fn extended(&mut self) -> &mut BytesMut {
        self.unsynced = true;
        &mut self.output
    }

    /// How much is waiting to be sent, in bytes.
    pub(super) fn backlog(&self) -> usize {
        self.output.len()
    }

    pub(super) fn query(&mut self, sql: &[u8]) {
        to_server::query(&mut self.output, sql);
        self.unanswered += 1;
        // It ends a batch as a Sync does.
        self.unsynced = false;
    }

    pub(super) fn sync(&mut self) {
        to_server::sync(&mut self.output);
        self.unanswered += 1;
        self.unsynced = false;
    }

    /// Another frame that is answered by `ReadyForQuery`, as it is.
    pub(super) fn call(&mut self, frame: &[u8]) {
        self.output.extend_from_slice(frame);
        self.unanswered += 1;
        self.unsynced = false;
    }

    /// Sends statements of our own, which cannot fail, in front of what comes next. Nobody waits for the answer.
    pub(super) fn internal(&mut self, sql: Vec<u8>) {
        debug_assert!(self.nobody_waits(), "answers would be mixed up");
        self.query(&sql);
        self.internal.push_back(Own::Ready);
        self.sent = sql;
    }

    /// As [`Link::internal`], in frames of the extended protocol without a Sync.
    pub(super) fn internal_frames(&mut self, frames: &[u8]) {
        debug_assert!(self.nobody_waits(), "answers would be mixed up");
        self.output.extend_from_slice(frames);
        self.sync();
        self.internal.push_back(Own::Ready);
    }

    /// Frames of our own in front of what comes next, which are answered by so many others. They need no Sync of their
    /// own, and so no round trip.
    pub(super) fn prefix(&mut self, frames: &[u8], answers: usize) {
        debug_assert!(self.nobody_waits(), "answers would be mixed up");
        self.output.extend_from_slice(frames);
        self.internal.push_back(Own::Frames(answers));
    }

    /// A frame of a COPY, as it is.
    pub(super) fn copy(&mut self, frame: &[u8]) {
        self.output.extend_from_slice(frame);
    }

    /// COPY's data begins. In the extended protocol the server leaves out a Sync that came with the statement.
    pub(super) fn copy_begins(&mut self, sync_sent: bool) {
        self.copying = true;
        if sync_sent {
            self.unanswered -= 1;
            self.unsynced = true;
        }
    }

    pub(super) fn copy_fail(&mut self, why: &str) {
        to_server::copy_fail(&mut self.output, why);
    }

    pub(super) fn copy_ends(&mut self) {
        self.copying = false;
    }

    /// The next frame that somebody waits for, if it is here. Settings are taken note of, and notifications left out: no
    /// other session's are for us, and our own are never sent, as nothing is committed.
    pub(super) fn take(&mut self) -> Result<Option<Frame>, Lost> {
        let taken = self.try_take();
        self.lost |= taken.is_err();
        taken
    }

    fn try_take(&mut self) -> Result<Option<Frame>, Lost> {
        loop {
            let frame = self.lexer.take(&mut self.input);
            let frame = frame.map_err(|broken| Lost::Protocol(broken.to_string()))?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            if self.is_for_somebody(&frame)? {
                return Ok(Some(frame));
            }
        }
    }

    fn is_for_somebody(&mut self, frame: &Frame) -> Result<bool, Lost> {
        let internal = !self.internal.is_empty();
        let view = frame.view();
        match view.tag() {
            b'S' | b'Z' => {}
            b'E' => return self.error(view.body(), internal),
            b'A' => return Ok(false),
            b'N' => return Ok(!internal),
            _ => return Ok(!self.is_own()),
        }
        match Server::read(view) {
            Ok(Server::ParameterStatus { name, value }) => {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                self.parameters.insert(text(name), text(value));
                Ok(false)
            }
            Ok(Server::ReadyForQuery(status)) => {
                let left = self.unanswered.checked_sub(1);
                self.unanswered =
                    left.ok_or_else(|| Lost::Protocol("it is ready unasked".to_owned()))?;
                self.status = status;
                self.internal.pop_front();
                self.copying = false;
                if status == Status::Idle {
                    return Err(Lost::Committed);
                }
                Ok(!internal)
            }
            other => Err(Lost::Protocol(format!("{other:?}"))),
        }
    }

    /// Whether a frame answers something of our own.
    fn is_own(&mut self) -> bool {
        match self.internal.front_mut() {
            None => false,
            Some(Own::Ready) => true,
            Some(Own::Frames(left)) => {
                *left -= 1;
                if *left == 0 {
                    self.internal.pop_front();
                }
                true
            }
        }
    }

    fn error(&self, body: &[u8], internal: bool) -> Result<bool, Lost> {
        if internal
            || body
                .windows(7)
                .any(|part| part == b"VFATAL\0" || part == b"VPANIC\0")
        {
            let error = Box::new(ServerError::parse(body));
            if matches!(&*error.severity, "FATAL" | "PANIC") {
                return Err(Lost::Ended(error));
            }
            let sql = String::from_utf8_lossy(&self.sent).into_owned();
            return Err(Lost::Internal { sql, error });
        }
        Ok(true)
    }

    /// Waits until there is more to read, writing meanwhile what is to be sent.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let filled = self.try_fill(cx);
        self.lost |= matches!(filled, Poll::Ready(Err(_)));
        self.keep_time(filled.is_pending());
        filled
    }

    /// In a COPY it is the server that waits.
    fn keep_time(&mut self, waits: bool) {
        if !waits || self.copying {
            self.hold = None;
        } else if self.hold.is_none() {
            self.hold = self.clock.as_ref().map(Clock::hold);
        }
    }

    fn try_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let written = self.poll_write(cx);
        self.input.reserve(READ);
        // This future keeps nothing between polls, so that a new one is as good as the last.
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        match (read, written) {
            (Poll::Ready(Ok(0)), _) => {
                Poll::Ready(Err(Lost::Io(io::ErrorKind::UnexpectedEof.into())))
            }
            (Poll::Ready(Ok(_)), _) => Poll::Ready(Ok(())),
            // What the server said before it hung up is read first, so a failed write is told only now.
            (Poll::Ready(Err(error)), _) | (Poll::Pending, Poll::Ready(Err(error))) => {
                Poll::Ready(Err(Lost::Io(error)))
            }
            (Poll::Pending, _) => Poll::Pending,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(written)) => self.output.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Whether the server has not hung up, or said why it is going to. Does not wait.
    pub(super) fn is_open(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(filled) = self.poll_fill(&mut context) {
            if filled.is_err() {
                return false;
            }
        }
        // What the runtime has not heard of yet is read by nobody: it may be the end.
        matches!(self.take(), Ok(None)) && !self.stream.is_readable()
    }

    /// Sends as much as the socket takes at once; the rest goes with what comes next.
    pub(super) fn send_now(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        // An error is met again by whoever reads.
        let _unsent = self.poll_write(&mut context);
    }

    /// Writes what is left and reads until nothing is outstanding: what somebody was sent and did not wait for.
    pub(super) async fn drain(&mut self) -> Result<(), Lost> {
        self.wind_up();
        while self.skip()? {
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
        Ok(())
    }

    /// Ends what was begun, so that everything is going to be answered.
    pub(super) fn wind_up(&mut self) {
        if self.copying {
            self.copy_fail("the test has ended");
        }
        let is_own = |own: &Own| matches!(own, Own::Frames(_));
        if self.unsynced || self.internal.iter().any(is_own) {
            self.sync();
        }
    }

    /// Reads what is here for nobody; whether more is to come.
    pub(super) fn skip(&mut self) -> Result<bool, Lost> {
        while self.unanswered > 0 && self.take()?.is_some() {}
        Ok(self.unanswered > 0)
    }
}
