//! Private copies: made for one owner, removed at its end, kept when its test failed, collected when its process died.

use super::Tenant;
use super::template::{SUFFIXES, Template, remove_all, with_suffix};
use crate::error::Error;
use crate::isolation::dir::{self, files};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

/// One owner's file. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Copy {
    path: PathBuf,
    /// Where it goes if its test fails.
    kept: PathBuf,
    gone: AtomicBool,
    // The directory goes with its last copy, so a process leaves nothing behind although nothing runs at its exit.
    _run: Arc<RunDir>,
}

impl Copy {
    pub(super) fn of(template: &Template, tenant: &Tenant) -> Result<Self, Error> {
        let run = RunDir::current()?;
        let path = run
            .path
            .join(format!("{}-{}.sqlite", tenant.owner, safe(tenant.repo)));
        let copy = Self {
            path,
            kept: dir::base().join("failed").join(file_name(tenant)),
            gone: AtomicBool::new(false),
            _run: run,
        };
        template.copy_to(&copy.path).map_err(|source| {
            files(
                "write this test's copy of the template,",
                &copy.path,
                source,
            )
        })?;
        Ok(copy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the copy, and what an earlier, failed run of the same test left to look at.
    pub(super) fn discard(&self) -> Result<(), Error> {
        if self.gone.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if self.kept.exists() {
            remove_all(&self.kept)?;
        }
        remove_all(&self.path)
    }

    /// Moves the copy to where a person finds it; a later run of the same test replaces it.
    pub(super) fn keep(&self) -> Result<PathBuf, Error> {
        let kept = &self.kept;
        dir::create(kept.parent().unwrap_or(kept))?;
        self.gone.store(true, Ordering::Release);
        for suffix in SUFFIXES {
            let (from, to) = (with_suffix(&self.path, suffix), with_suffix(kept, suffix));
            dir::remove(&to)?;
            match fs::rename(&from, &to) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(files("keep the failed test's database as", &to, source));
                }
                _ => {}
            }
        }
        Ok(kept.clone())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.discard().ok();
    }
}

/// A test's name as a file name: `story::signs_up` becomes `story.signs_up.default.sqlite`.
/// Of a very long name the end stays, where tests of one module differ.
fn file_name(tenant: &Tenant) -> String {
    const LONGEST: usize = 160;
    let name = safe(&tenant.name.replace("::", "."));
    let cut = name
        .char_indices()
        .rev()
        .nth(LONGEST)
        .map_or(0, |(at, _)| at);
    format!("{}.{}.sqlite", &name[cut..], safe(tenant.repo))
}

/// What every file system takes.
fn safe(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_alphanumeric() || "_-.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// The directory of this process's copies. While the process lives it holds the lock in it; whoever finds it unlocked
/// finds the copies of a dead process.
#[derive(Debug)]
struct RunDir {
    path: PathBuf,
    // Held, not used: the lock goes with the process, whatever ends it.
    _lock: File,
}

const LOCK: &str = "lock";
const PREFIX: &str = "run-";

impl RunDir {
    /// This process's directory: the one that is in use, else a new one.
    fn current() -> Result<Arc<Self>, Error> {
        static CURRENT: Mutex<Weak<RunDir>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = current.upgrade() {
            return Ok(run);
        }
        let run = Arc::new(Self::create()?);
        *current = Arc::downgrade(&run);
        Ok(run)
    }

    fn create() -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static COLLECTED: Once = Once::new();
        let home = dir::base().join("sqlite");
        dir::create(&home)?;
        // Between making a directory and locking it, it looks like a dead process's: nobody may collect meanwhile.
        let gate = dir::lock(&home.join("runs.lock"))?;
        COLLECTED.call_once(|| collect_dead(&home));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = home.join(format!("{PREFIX}{}-{number}", std::process::id()));
        dir::create(&path)?;
        let lock = dir::lock(&path.join(LOCK))?;
        drop(gate);
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // Not `remove_dir_all`: a database that something still holds open is better left to the next run.
        fs::remove_file(self.path.join(LOCK)).ok();
        fs::remove_dir(&self.path).ok();
    }
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
