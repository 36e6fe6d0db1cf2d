//! Who runs the server: PostgreSQL refuses to run as root.

use crate::step::{Failure, Result, Step};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The account that the server runs under.
#[derive(Debug)]
pub(super) enum Account {
    /// Ours.
    Own,
    /// We are root, and this one is not.
    Other {
        name: &'static str,
        uid: u32,
        gid: u32,
        become_it: Become,
    },
}

/// By which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Become {
    Setpriv,
    Runuser,
    Su,
}

impl Account {
    /// Ours unless we are root, else the one that PostgreSQL's package has made, else `nobody`.
    pub(super) fn for_server() -> Result<Self> {
        if id("-u", None) != Some(0) {
            return Ok(Self::Own);
        }
        let become_it = [Become::Setpriv, Become::Runuser, Become::Su]
            .into_iter()
            .find(|program| program.is_there());
        let other = ["postgres", "nobody"].into_iter().find_map(|name| {
            Some(Self::Other {
                name,
                uid: id("-u", Some(name))?,
                gid: id("-g", Some(name))?,
                become_it: become_it?,
            })
        });
        other.ok_or_else(|| {
            Failure::new(
                "PostgreSQL does not run as root, and there is no way to run it as another user\n  help: install `setpriv`, `runuser` or `su`, or run this as another user",
            )
        })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Own => "this user",
            Self::Other { name, .. } => name,
        }
    }

    /// Hands a directory over.
    pub(super) fn own(&self, dir: &Path) -> Result {
        let Self::Other { uid, gid, .. } = self else {
            return Ok(());
        };
        chown(dir, Some(*uid), Some(*gid)).map_err(|error| {
            let dir = dir.display();
            Failure::new(format!("cannot give {dir} to `{}`: {error}", self.name()))
        })
    }

    /// Whether it gets to a directory: those above it may be closed to it.
    pub(super) fn may_enter(&self, dir: &Path) -> bool {
        let test = self
            .command(Path::new("test"), Path::new("/"))
            .arg("-x")
            .arg(dir)
            .status();
        test.is_ok_and(|status| status.success())
    }

    /// A program that it runs.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = match self {
            Self::Own => Command::new(program),
            Self::Other {
                name,
                uid,
                gid,
                become_it,
            } => become_it.command(name, *uid, *gid, program),
        };
        command.current_dir(dir);
        // What the person says of a server of their own.
        for (variable, _) in std::env::vars_os() {
            if variable.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(variable);
            }
        }
        command
    }

    /// A directory of its own for sockets, whose paths are limited to about 100 bytes, so not below `target/`. One for
    /// each `home`.
    pub(super) fn short_dir(&self, home: &Path) -> Result<PathBuf> {
        let mut hash = DefaultHasher::new();
        home.hash(&mut hash);
        let name = format!("heirloom-sockets-{:08x}", hash.finish() & 0xffff_ffff);
        let dir = std::env::temp_dir().join(name);
        // Of a run that was killed.
        fs::remove_dir_all(&dir).ok();
        // It fails if somebody else has made it.
        fs::create_dir(&dir)
            .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)))
            .map_err(|error| Failure::new(format!("cannot make {}: {error}", dir.display())))?;
        self.own(&dir)?;
        Ok(dir)
    }
}

impl Become {
    fn is_there(self) -> bool {
        let program = match self {
            Self::Setpriv => "setpriv",
            Self::Runuser => "runuser",
            Self::Su => "su",
        };
        // Each of them prints its version; only util-linux's have the options that are used here.
        Step::program(program, &["--version"]).succeeds()
    }

    fn command(self, name: &str, uid: u32, gid: u32, program: &Path) -> Command {
        let mut command;
        match self {
            Self::Setpriv => {
                command = Command::new("setpriv");
                command.arg(format!("--reuid={uid}"));
                command.arg(format!("--regid={gid}"));
                command.arg("--clear-groups");
            }
            Self::Runuser => {
                command = Command::new("runuser");
                command.args(["-u", name, "--"]);
            }
            Self::Su => {
                command = Command::new("su");
                command.args(["-s", "/bin/sh", "-c", r#"exec "$0" "$@""#, name, "--"]);
            }
        }
        command.arg(program);
        command
    }
}

fn id(what: &str, name: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(name).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_become_another_user_hands_the_arguments_on() {
        if id("-u", None) != Some(0) {
            let said = Account::Own
                .command(Path::new("id"), Path::new("/"))
                .output();
            assert!(said.expect("`id` runs").status.success());
            return;
        }
        let (uid, gid) = (id("-u", Some("nobody")), id("-g", Some("nobody")));
        let (uid, gid) = uid.zip(gid).expect("`nobody` is everywhere");
        for become_it in [Become::Setpriv, Become::Runuser, Become::Su] {
            if !become_it.is_there() {
                continue;
            }
            let account = Account::Other {
                name: "nobody",
                uid,
                gid,
                become_it,
            };
            let said = account
                .command(Path::new("sh"), Path::new("/"))
                .args(["-c", r#"id -un; echo "$0 $1""#, "a  b", "$HOME"])
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            assert_eq!(said, "nobody\na  b $HOME\n", "{become_it:?}");
        }
    }
}
