//! The directory where heirloom keeps templates, copies and what failed tests leave to look at.

use crate::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// `HEIRLOOM_DIR`, else `heirloom` in cargo's target directory, else in the system's temporary directory.
///
/// The target directory is where a test's other products are, is removed by `cargo clean`, and is on a real disk: a
/// `/dev/shm` may be as small as 64 MiB, and was not faster when measured.
pub(super) fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let asked = std::env::var_os("HEIRLOOM_DIR").filter(|dir| !dir.is_empty());
        let dir = asked.map(PathBuf::from).or_else(target_dir);
        let dir = dir.unwrap_or_else(|| std::env::temp_dir().join("heirloom"));
        // A test may change the working directory.
        std::path::absolute(&dir).unwrap_or(dir)
    })
}

/// Cargo marks its target directory with a `CACHEDIR.TAG`; the test binary lies somewhere below it.
fn target_dir() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    let target = binary
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())?;
    Some(target.join("heirloom"))
}

/// Makes a directory and those above it.
pub(super) fn create(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|source| files("create the directory", dir, source))
}

/// Opens a lock file and waits for its lock, which other processes respect and `kill -9` releases.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let file = open(path)?;
    file.lock().map_err(|source| files("lock", path, source))?;
    Ok(file)
}

/// Opens a lock file and takes its lock, if nobody has it.
#[cfg(feature = "sqlite")]
pub(super) fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(source)) => Err(files("lock", path, source)),
    }
}

pub(super) fn open(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| files("create the lock file", path, source))
}

/// Removes a file; that it is gone already is as good.
#[cfg(feature = "sqlite")]
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(files("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Says what was being done to which file.
pub(super) fn files(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Files {
        doing,
        path: path.to_owned(),
        source,
    }
}
