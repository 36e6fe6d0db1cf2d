//! Which answers are still to come: without it nobody knows when a server has said all it will.

use crate::message::Message;
use std::collections::VecDeque;

/// What has been sent and not been answered yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    waiting: VecDeque<Asked>,
    /// An error in the extended protocol: the server ignores everything up to the next `Sync`.
    skipping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Flush,
    Sync,
    Data,
    EndOfData,
}

/// What a frame of the server asks of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: read on.
    Read,
    /// Data to copy in, of which none has been sent in advance.
    Copy {
        /// A `Sync` has to follow: the server took those that came before for part of the data.
        sync: bool,
    },
}

/// No answer to anything that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unexpected;

impl Answers {
    /// Notes what is sent.
    pub(crate) fn sent(&mut self, message: &Message) {
        let asked = match message {
            Message::Query(_) => Asked::Query,
            Message::Parse { .. } => Asked::Parse,
            Message::Bind { .. } => Asked::Bind,
            Message::Describe(..) => Asked::Describe,
            Message::Execute(..) => Asked::Execute,
            Message::Close(..) => Asked::Close,
            Message::Flush => Asked::Flush,
            Message::Sync => Asked::Sync,
            Message::CopyData(_) => Asked::Data,
            Message::CopyDone | Message::CopyFail(_) => Asked::EndOfData,
        };
        if self.skipping && asked != Asked::Sync {
            return;
        }
        self.skipping = false;
        self.waiting.push_back(asked);
        self.tidy();
    }

    /// Whether everything has been answered.
    pub(crate) fn are_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Notes a frame of the server.
    pub(crate) fn received(&mut self, tag: u8) -> Result<Next, Unexpected> {
        if matches!(tag, b'N' | b'S' | b'A') {
            return Ok(Next::Read);
        }
        let head = *self.waiting.front().ok_or(Unexpected)?;
        if tag == b'G' && matches!(head, Asked::Query | Asked::Execute) {
            return Ok(self.copy(head));
        }
        match (head, tag) {
            // More follows.
            (Asked::Query, b'T' | b'D' | b'C' | b'I' | b'E' | b'H' | b'd' | b'c')
            | (Asked::Execute, b'D' | b'H' | b'd' | b'c')
            | (Asked::Describe, b't')
            | (Asked::Sync, b'E') => {}
            (_, b'E') => self.failed(),
            (Asked::Query | Asked::Sync, b'Z')
            | (Asked::Parse, b'1')
            | (Asked::Bind, b'2')
            | (Asked::Close, b'3')
            | (Asked::Describe, b'T' | b'n')
            | (Asked::Execute, b'C' | b'I' | b's') => {
                self.waiting.pop_front();
            }
            _ => return Err(Unexpected),
        }
        self.tidy();
        Ok(Next::Read)
    }

    /// The server takes what follows for data. If some has been sent, that is it, up to its end.
    fn copy(&mut self, head: Asked) -> Next {
        self.waiting.pop_front();
        let in_advance = matches!(self.waiting.front(), Some(Asked::Data | Asked::EndOfData));
        while let Some(asked) = self.waiting.pop_front() {
            if in_advance && asked == Asked::EndOfData {
                break;
            }
            if !in_advance && !matches!(asked, Asked::Sync | Asked::Flush) {
                self.waiting.push_front(asked);
                break;
            }
        }
        self.waiting.push_front(head);
        match (in_advance, head) {
            (true, _) => Next::Read,
            (false, head) => Next::Copy {
                sync: head == Asked::Execute,
            },
        }
    }

    fn failed(&mut self) {
        while self
            .waiting
            .front()
            .is_some_and(|&asked| asked != Asked::Sync)
        {
            self.waiting.pop_front();
        }
        self.skipping = self.waiting.is_empty();
    }

    /// Drops what is never answered.
    fn tidy(&mut self) {
        while let Some(Asked::Flush | Asked::Data | Asked::EndOfData) = self.waiting.front() {
            self.waiting.pop_front();
        }
    }
}
