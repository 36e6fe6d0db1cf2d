//! Sockets of clients that were told the end and may read it only later: closed at once, with something of theirs unread,
//! they would find a broken pipe in its place. And doors at which a client may knock after the end.

use super::{SocketFile, lock};
use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Mutex;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

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
    let mut sockets = lock(&SOCKETS);
    sockets.push_back(socket);
    if sockets.len() > MOST {
        sockets.pop_front();
    }
}

static DOORS: Mutex<VecDeque<Door>> = Mutex::new(VecDeque::new());

/// Somebody answers there, until this is dropped.
struct Door {
    _socket: SocketFile,
    _gone: oneshot::Sender<()>,
}

/// Keeps a socket at which processes may knock that have outlived their test.
pub(super) fn keep_door(socket: SocketFile, gone: oneshot::Sender<()>) {
    let mut doors = lock(&DOORS);
    doors.push_back(Door {
        _socket: socket,
        _gone: gone,
    });
    if doors.len() > MOST {
        doors.pop_front();
    }
}
