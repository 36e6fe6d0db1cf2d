//! Where PostgreSQL's programs are.

use crate::step::{Failure, Result};
use crate::tools;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of `initdb`, `pg_ctl` and `psql`.
#[derive(Debug)]
pub(super) struct Programs(PathBuf);

/// Where Debian's packages put them, which is in nobody's path.
const DEBIAN: &str = "/usr/lib/postgresql";

impl Programs {
    pub(super) fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        tools::install_postgres()?;
        Self::find().ok_or_else(|| {
            Failure::new(format!(
                "PostgreSQL was installed, and yet there is no `initdb` in the path or below {DEBIAN}"
            ))
        })
    }

    /// `HEIRLOOM_PG_BIN`, else the path, else the newest of a Debian system.
    fn find() -> Option<Self> {
        if let Some(dir) = std::env::var_os("HEIRLOOM_PG_BIN") {
            return Some(Self(dir.into()));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            // A link there leads to where the others are.
            .filter_map(|dir| Some(dir.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
            .chain(newest_first(versions()))
            .find(|dir| is_whole(dir))
            .map(Self)
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }
}

fn is_whole(dir: &Path) -> bool {
    let mut needed = ["initdb", "pg_ctl", "postgres", "psql"].iter();
    needed.all(|program| dir.join(program).is_file())
}

fn versions() -> Vec<String> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    versions
        .filter_map(|dir| dir.file_name().into_string().ok())
        .collect()
}

fn newest_first(mut versions: Vec<String>) -> impl Iterator<Item = PathBuf> {
    // 9.6 was before 10.
    let number = |version: &String| -> Vec<u32> {
        let parts = version.split('.');
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    versions.sort_by_key(number);
    let dirs = versions.into_iter().rev();
    dirs.map(|version| Path::new(DEBIAN).join(version).join("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_the_highest_number() {
        let versions = ["9.6", "18", "10", "17"].map(str::to_owned).to_vec();
        let dirs: Vec<_> = newest_first(versions).collect();
        let expected = ["18", "17", "10", "9.6"].map(|version| format!("{DEBIAN}/{version}/bin"));
        assert_eq!(dirs, expected.map(PathBuf::from));
    }
}
