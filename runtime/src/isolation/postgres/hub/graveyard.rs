//! Sockets of clients that were told the end and may read it only later: closed at once, with something of theirs unread,
//! they would find a broken pipe in its place.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Mutex, PoisonError};
use tokio::net::UnixStream;

/// Of as many the last words are kept; each takes a file that is open.
const MOST: usize = 64;

static SOCKETS: Mutex<VecDeque<StdStream>> = Mutex::new(VecDeque::new());

/// Ends what is said to a client, whose own end is open for a while.
pub(super) fn keep(socket: UnixStream) {
    let Ok(socket) = socket.into_std() else {
        return;
    };
    if socket.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    sockets.push_back(socket);
    if sockets.len() > MOST {
        sockets.pop_front();
    }
}
