//! Where virtual servers listen: unix sockets in a directory that only this user can enter.

use crate::error::Error;
use crate::isolation::dir;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
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

/// How often a directory may be removed while it is being made.
const ATTEMPTS: u32 = 10;

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
        for _ in 0..ATTEMPTS {
            if let Some((path, lock)) = make(home)? {
                collect_dead(home);
                return Ok(Self {
                    path,
                    next: AtomicU16::new(FIRST),
                    _lock: lock,
                });
            }
        }
        let removed = io::Error::other("each was removed while it was being made");
        Err(dir::files("keep a directory for sockets in", home, removed))
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

/// A directory and its lock. `None` if another process took it for a dead one's and removed it: until it is locked there is
/// no difference.
fn make(home: &Path) -> Result<Option<(PathBuf, File)>, Error> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).expect("the operating system hands out random bytes");
    let path = home.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(bits)));
    let made = DirBuilder::new().mode(0o700).create(&path);
    made.map_err(|source| dir::files("create the directory", &path, source))?;
    match dir::lock(&path.join(LOCK)) {
        Ok(lock) => Ok(is_there(&path, &lock).then_some((path, lock))),
        Err(_) if !path.exists() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a directory's lock is this one. Whoever removes the directory holds the lock until it is done.
fn is_there(path: &Path, lock: &File) -> bool {
    let number = |file: fs::Metadata| (file.dev(), file.ino());
    let there = fs::metadata(path.join(LOCK)).map(number);
    matches!((there, lock.metadata().map(number)), (Ok(there), Ok(own)) if there == own)
}

/// Removes what processes left that have ended. Best effort; what is another user's cannot be entered.
fn collect_dead(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // One without a lock is being made, or is removed by somebody else.
        if !is_ours {
            continue;
        }
        if let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            // With the lock in hand: whoever is making it waits for that, and sees then that it is gone.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_directory_is_never_taken_for_a_dead_ones_while_it_is_made() {
        let home = std::env::temp_dir().join(format!("heirloom-making-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        // Those of threads are told apart by their locks as those of processes are.
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let sockets = Sockets::create(&home).unwrap();
                        assert!(sockets.path.join(LOCK).is_file());
                    }
                });
            }
        });
        fs::remove_dir_all(&home).unwrap();
    }
}
