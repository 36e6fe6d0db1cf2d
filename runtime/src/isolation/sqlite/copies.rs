//! Private copies: made for one owner, removed at its end, kept when its test failed, collected when its process died.

use super::Tenant;
use super::run_dir::RunDir;
use super::template::{SUFFIXES, Template, remove_all, with_suffix};
use crate::error::Error;
use crate::isolation::dir::{self, files};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One owner's file. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Copy {
    path: PathBuf,
    gone: AtomicBool,
}

impl Copy {
    pub(super) fn of(template: &Template) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let run = RunDir::current()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let copy = Self {
            path: run.path().join(format!("{number}.sqlite")),
            gone: AtomicBool::new(false),
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
    pub(super) fn discard(&self, tenant: &Tenant) -> Result<(), Error> {
        let kept = kept_at(tenant);
        if kept.exists() {
            remove_all(&kept)?;
        }
        self.remove()
    }

    fn remove(&self) -> Result<(), Error> {
        if self.gone.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        remove_all(&self.path)
    }

    /// Moves the copy to where a person finds it; a later run of the same test replaces it.
    /// `None` when it is gone already: whoever came first has decided.
    pub(super) fn keep(&self, tenant: &Tenant) -> Result<Option<PathBuf>, Error> {
        if self.gone.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let kept = kept_at(tenant);
        dir::create(kept.parent().unwrap_or(&kept))?;
        for suffix in SUFFIXES {
            let (from, to) = (with_suffix(&self.path, suffix), with_suffix(&kept, suffix));
            dir::remove(&to)?;
            match fs::rename(&from, &to) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(files("keep the failed test's database as", &to, source));
                }
                _ => {}
            }
        }
        Ok(Some(kept))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.remove().ok();
    }
}

/// The file of those who want no sandbox: one for each repo, schema and process, as private as the copies to others,
/// with commits that stay while the process lives.
pub(super) fn common(template: &Template, repo: &str) -> Result<PathBuf, Error> {
    static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    // Names that look alike to a file system are told apart by their digits.
    let digits = digits_of(&[repo]);
    let name = format!(
        "unboxed-{}-{digits:08x}-{}.sqlite",
        safe(repo),
        template.hash()
    );
    let path = RunDir::current()?.path().join(name);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if !made.contains(&path) {
        template
            .copy_to(&path)
            .map_err(|source| files("write the database outside the sandbox,", &path, source))?;
        made.push(path.clone());
    }
    Ok(path)
}

/// Where a failed test's database goes: that of `story::signs_up` to `failed/story.signs_up.default-1a2b3c4d.sqlite`. Of
/// a very long name the end stays, where tests of one module differ; the digits keep apart what looks alike after that,
/// and tests of one name in two packages.
fn kept_at(tenant: &Tenant) -> PathBuf {
    const LONGEST: usize = 160;
    let name = safe(&format!(
        "{}.{}",
        tenant.name.replace("::", "."),
        tenant.repo
    ));
    let mut cut = name.len().saturating_sub(LONGEST);
    while !name.is_char_boundary(cut) {
        cut += 1;
    }
    let digits = digits_of(&[&tenant.package, &tenant.name, tenant.repo]);
    dir::base()
        .join("failed")
        .join(format!("{}-{digits:08x}.sqlite", &name[cut..]))
}

fn digits_of(parts: &[&str]) -> u32 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
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
