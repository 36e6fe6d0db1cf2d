//! What is expected of the server in the extended protocol, one step for each frame of the client.

use crate::isolation::postgres::hub::client::Portal;
use crate::isolation::postgres::session::{Key, Prepared};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// What is going to be answered.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) what: What,
    /// What holds again if the server leaves it out, or refuses it.
    pub(super) undo: Option<Undo>,
}

/// By whom and how it is answered.
#[derive(Debug)]
pub(super) enum What {
    /// Nothing is asked of the server; the client gets this.
    Ours(Bytes),
    /// One frame, of which the client does not know.
    Quiet,
    /// As before: `CloseComplete`, of a statement that nobody uses any more.
    Forget(Arc<Prepared>),
    /// What is asked at the end of a transaction: the client gets an error if there is one.
    Check,
    /// `ParseComplete`, and what then holds.
    Parse {
        prepared: Arc<Prepared>,
        key: Option<Key>,
    },
    /// `BindComplete`; the statement, and what the client calls it.
    Bind(Arc<Prepared>, Box<[u8]>),
    /// What a statement takes and returns: two frames.
    Statement {
        prepared: Arc<Prepared>,
        first: BytesMut,
    },
    /// What a portal returns: one frame.
    Portal,
    /// Rows, and how it ended.
    Execute(Arc<Prepared>),
    /// `CloseComplete`, maybe of a statement.
    Close(Option<Arc<Prepared>>),
}

/// Which of the client's names stands for what.
#[derive(Debug)]
pub(super) enum Undo {
    Statement(Box<[u8]>, Option<Arc<Prepared>>),
    Portal(Box<[u8]>, Option<Portal>),
}

impl Step {
    pub(super) fn of(what: What) -> Self {
        Self { what, undo: None }
    }

    /// Whether the server answers it.
    pub(super) fn is_the_servers(&self) -> bool {
        !matches!(self.what, What::Ours(_))
    }

    /// Whether the client knows of it.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self.what, What::Quiet | What::Forget(_) | What::Check)
    }

    /// Whether a frame with this tag is the last of its answer.
    pub(super) fn ends_with(&self, tag: u8) -> bool {
        match self.what {
            What::Statement { .. } => tag != b't',
            What::Execute(_) => matches!(tag, b'C' | b'I' | b's'),
            What::Check => tag == b'C',
            _ => true,
        }
    }
}
