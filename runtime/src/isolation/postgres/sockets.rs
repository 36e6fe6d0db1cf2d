//! Where virtual servers listen: unix sockets in a directory that only this user can enter.

use crate::error::Error;
use crate::isolation::dir;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The directory of this process. While the process lives it holds the lock in it; whoever finds it unlocked finds the
/// sockets of a dead process.
#[derive(Debug)]
pub(super) struct Sockets {
    path: PathBuf,
    next: AtomicU16,
    // Held, not used: the lock goes with the process, whatever ends it.
    _lock: File,
}

const PREFIX: &str = "heirloom-sockets-";
const LOCK: &str = "lock";

/// Clients find a socket by a number, as they would a server's port. Below these are the ports of real servers.
const FIRST: u16 = 10_000;

impl Sockets {
    /// This process's directory, made on first use.
    ///
    /// In the system's temporary directory, as the path of a socket has 108 bytes at most, and target directories may be
    /// anywhere. It stays until another process collects it, as nothing runs when a process exits.
    pub(super) fn current() -> Result<Arc<Self>, Error> {
        static CURRENT: Mutex<Option<Arc<Sockets>>> = Mutex::new(None);
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sockets) = &*current {
            return Ok(Arc::clone(sockets));
        }
        let sockets = Arc::new(Self::create(&std::env::temp_dir())?);
        *current = Some(Arc::clone(&sockets));
        Ok(sockets)
    }

    fn create(home: &Path) -> Result<Self, Error> {
        let mut bits = [0; 8];
        getrandom::fill(&mut bits).expect("the operating system hands out random bytes");
        let path = home.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(bits)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| dir::files("create the directory", &path, source))?;
        let lock = dir::lock(&path.join(LOCK))?;
        collect_dead(home);
        Ok(Self {
            path,
            next: AtomicU16::new(FIRST),
            _lock: lock,
        })
    }

    /// The directory, as clients take it for a host.
    pub(super) fn dir(&self) -> &Path {
        &self.path
    }

    /// Where the socket of this number is.
    pub(super) fn path(&self, number: u16) -> PathBuf {
        self.path.join(format!(".s.PGSQL.{number}"))
    }

    /// A number that no socket has, and where that one is to be.
    pub(super) fn free(&self) -> (u16, PathBuf) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed).max(FIRST);
            let path = self.path(number);
            // Numbers come again after some fifty thousand; by then one of them may still be in use.
            if matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
            {
                return (number, path);
            }
        }
    }
}

/// Removes what processes left that have ended. Best effort; what is another user's cannot be entered.
fn collect_dead(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // One without a lock is being made, or is removed by somebody else.
        let lock = File::open(entry.path().join(LOCK));
        if is_ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
