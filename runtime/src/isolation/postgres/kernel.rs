//! What the system knows of a socket and nobody else does: whether something is in it.
#![allow(
    unsafe_code,
    reason = "no safe way to ask these two questions is in std, tokio or socket2"
)]

use std::os::fd::{AsRawFd, OwnedFd};

/// Whether something is there to be read or accepted, or the other side has hung up.
pub(super) fn is_readable(socket: &impl AsRawFd) -> bool {
    let mut asked = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one `pollfd`, which lives for the call, of a file that is open as long as it is borrowed; it does not wait.
    let found = unsafe { libc::poll(&raw mut asked, 1, 0) };
    found > 0
}

/// Whether the other side has yet to read something that was written.
#[cfg(target_os = "linux")]
pub(super) fn is_unread(socket: &OwnedFd) -> bool {
    let mut left: libc::c_int = 0;
    // SAFETY: `TIOCOUTQ` writes one `int`, to one that lives for the call, and the file is open as long as it is borrowed.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut left) };
    asked == 0 && left > 0
}

/// Elsewhere nobody tells: an answer counts as read once it is written.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_unread(_: &OwnedFd) -> bool {
    false
}
