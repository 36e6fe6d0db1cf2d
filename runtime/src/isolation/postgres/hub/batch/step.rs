//! What is expected of the server in the extended protocol, one step for each frame of the client.

use crate::isolation::postgres::session::{Key, Prepared};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

impl Step {
    /// Whether the server answers it.
    pub(super) fn is_the_servers(&self) -> bool {
        !matches!(self, Self::Ours(_))
    }
}

/// What is going to be answered, in order.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing is asked of the server; the client gets this.
    Ours(Bytes),
    /// ParseComplete, and what then holds.
    Parse {
        name: Box<[u8]>,
        prepared: Arc<Prepared>,
        key: Option<Key>,
    },
    /// BindComplete.
    Bind,
    /// What a statement takes and returns: two frames.
    Statement {
        prepared: Arc<Prepared>,
        first: BytesMut,
    },
    /// What a portal returns: one frame.
    Portal,
    /// Rows, and how it ended.
    Execute(Arc<Prepared>),
    /// CloseComplete; whether the client has asked for it.
    Close { asked: bool },
}
