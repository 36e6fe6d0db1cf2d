//! Where the copies of one process are, and how those of a dead process are found.

use crate::error::Error;
use crate::isolation::dir;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The directory of this process's copies. While the process lives it holds the lock in it; whoever finds it unlocked
/// finds the copies of a dead process.
#[derive(Debug)]
pub(super) struct RunDir {
    path: PathBuf,
    // Held, not used: the lock goes with the process, whatever ends it.
    _lock: File,
}

const LOCK: &str = "run.lock";
const PREFIX: &str = "run-";

impl RunDir {
    /// This process's directory, made on first use. It stays until another process collects it, as nothing runs when a
    /// process exits; by then there is only the lock in it.
    pub(super) fn current() -> Result<Arc<Self>, Error> {
        static CURRENT: Mutex<Option<Arc<RunDir>>> = Mutex::new(None);
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = &*current {
            return Ok(Arc::clone(run));
        }
        let run = Arc::new(Self::create()?);
        *current = Some(Arc::clone(&run));
        Ok(run)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn create() -> Result<Self, Error> {
        let home = dir::base().join("sqlite");
        dir::create(&home)?;
        // Between making a directory and locking it, it looks like a dead process's: nobody may collect meanwhile.
        let gate = dir::lock(&home.join("runs.lock"))?;
        collect_dead(&home);
        let path = home.join(format!("{PREFIX}{}", random_name()));
        fs::create_dir(&path)
            .map_err(|source| dir::files("create the directory", &path, source))?;
        let lock = dir::lock(&path.join(LOCK))?;
        drop(gate);
        Ok(Self { path, _lock: lock })
    }
}

/// Not the process's number: containers that share the directory use the same ones.
fn random_name() -> String {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).expect("the operating system hands out random bytes");
    format!("{:016x}", u64::from_ne_bytes(bits))
}

/// Removes the directories of processes that died without removing them. Best effort, and under the gate.
fn collect_dead(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let is_run = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_run && is_dead(&entry.path()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn is_dead(run: &Path) -> bool {
    match File::open(run.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
