//! What an application ships: it works, and nothing of the sandbox is in it.
//!
//! A binary that is not stripped carries the mangled names of its functions, in which a path is a row of names with their
//! lengths before them (`8heirloom7harness`), in both of rustc's schemes. That needs no tool to read.

use crate::step::{Failure, Result, Step, timed};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What must not be in an application: heirloom's rooms for tests, and what only they use.
const SANDBOX: &[&str] = &[
    "heirloom::context::layer",
    "heirloom::context::lookup",
    "heirloom::context::stack",
    "heirloom::harness",
    "heirloom::isolation",
    "heirloom::owner",
    "heirloom::repo::session",
    "tracing_subscriber",
];

/// The same in text that stays when names are stripped: the files in panic messages, a variable that is read.
const TEXTS: &[&str] = &[
    "runtime/src/harness",
    "runtime/src/isolation",
    "HEIRLOOM_DIR",
];

pub(crate) fn check() -> Result {
    let build = |features: &str| {
        Step::cargo(&format!(
            "build --release --package guestbook --bin guestbook --message-format json-render-diagnostics{features}"
        ))
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .read()
    };
    // First what must be found, or the search proves nothing: in the tests everything, and in the same application
    // with the feature on at least what it then cannot do without.
    let tests = Step::cargo("test --workspace --no-run --message-format json-render-diagnostics")
        .read()
        .and_then(|messages| Binary::read(&executable(&messages, "story")?))?;
    tests.must_have(SANDBOX, TEXTS)?;
    let sandboxed = build(" --features heirloom/sandbox")
        .and_then(|messages| Binary::read(&executable(&messages, "guestbook")?))?;
    sandboxed.must_have(
        &[
            "heirloom::context::lookup",
            "heirloom::isolation",
            "heirloom::owner",
        ],
        &["HEIRLOOM_DIR"],
    )?;

    let path = executable(&build("")?, "guestbook")?;
    let shipped = Binary::read(&path)?;
    shipped.must_have(&["guestbook::web", "heirloom"], &[])?;
    shipped.must_not_have(SANDBOX, TEXTS)?;
    eprintln!(
        "production: none of {} names of the sandbox is in guestbook, built for release; all are in its tests",
        SANDBOX.len() + TEXTS.len()
    );
    timed("the guestbook, built for release, serves its page", || {
        serves(&path)
    })
}

/// The executable that cargo says it made for a target.
pub(crate) fn executable(messages: &str, target: &str) -> Result<PathBuf> {
    let name = format!("\"name\":\"{target}\"");
    messages
        .lines()
        .filter(|line| line.contains("\"reason\":\"compiler-artifact\"") && line.contains(&name))
        .find_map(|line| {
            let (_, rest) = line.split_once("\"executable\":\"")?;
            let (path, _) = rest.split_once('"')?;
            // A JSON text: of what it escapes, paths have only backslashes.
            Some(PathBuf::from(path.replace("\\\\", "\\")))
        })
        .ok_or_else(|| Failure::new(format!("cargo made no executable of the target `{target}`")))
}

struct Binary {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Binary {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    fn must_have(&self, names: &[&str], texts: &[&str]) -> Result {
        match self.search(names, texts).find(|(_, found)| !found) {
            None => Ok(()),
            Some((what, _)) => Err(Failure::new(format!(
                "`{what}` is not in {}, so this check would find nothing anywhere\n  help: was it renamed? then rename it in xtask/src/production.rs",
                self.path.display()
            ))),
        }
    }

    fn must_not_have(&self, names: &[&str], texts: &[&str]) -> Result {
        let found: Vec<_> = self
            .search(names, texts)
            .filter_map(|(what, found)| found.then_some(what))
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the production build {} has parts of the sandbox in it: {}",
            self.path.display(),
            found.join(", ")
        )))
    }

    fn search<'a>(
        &'a self,
        names: &'a [&'a str],
        texts: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, bool)> {
        let names = names.iter().map(|name| (*name, mangled(name)));
        let texts = texts.iter().map(|text| (*text, (*text).to_owned()));
        names
            .chain(texts)
            .map(|(what, needle)| (what, contains(&self.bytes, needle.as_bytes())))
    }
}

/// `heirloom::harness` as `8heirloom7harness`.
fn mangled(path: &str) -> String {
    let names = path.split("::");
    names
        .flat_map(|name| [name.len().to_string(), name.to_owned()])
        .collect()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Starts the server on a free port with a new database, and reads its page.
fn serves(path: &Path) -> Result {
    let dir = std::env::temp_dir().join(format!("heirloom-production-{}", std::process::id()));
    let done = fs::create_dir_all(&dir)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", dir.display())))
        .and_then(|()| Server::start(path, &dir)?.shows_its_page());
    fs::remove_dir_all(&dir).ok();
    done
}

struct Server(Child);

impl Server {
    fn start(path: &Path, dir: &Path) -> Result<Self> {
        Command::new(path)
            .current_dir(dir)
            .env_remove("DATABASE_URL")
            .env("GUESTBOOK_ADDR", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .map(Self)
            .map_err(|error| Failure::new(format!("cannot start {}: {error}", path.display())))
    }

    fn shows_its_page(mut self) -> Result {
        let answer = self
            .ask()
            .map_err(|error| Failure::new(format!("the guestbook does not answer: {error}")))?;
        if answer.starts_with("HTTP/1.1 200") && answer.contains("<title>Guestbook</title>") {
            return Ok(());
        }
        Err(Failure::new(format!("the guestbook answers: {answer}")))
    }

    fn ask(&mut self) -> std::io::Result<String> {
        let stdout = self.0.stdout.as_mut().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().rsplit('/').next().unwrap_or_default();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(text: &str) -> Binary {
        Binary {
            path: PathBuf::from("an-app"),
            bytes: text.into(),
        }
    }

    #[test]
    fn a_name_of_the_sandbox_is_found_in_both_manglings_and_told() {
        for symbol in [
            "_ZN8heirloom5owner5Owner5start17h0123456789abcdefE",
            "_RNvMNtCsdeadbeef_8heirloom5ownerNtB2_5Owner5start",
        ] {
            let failed = binary(symbol).must_not_have(SANDBOX, TEXTS);
            let text = failed.expect_err("it is there").to_string();
            assert!(text.ends_with("in it: heirloom::owner"), "{text}");
        }
    }

    #[test]
    fn what_production_has_of_heirloom_is_no_name_of_the_sandbox() {
        let symbols = "_ZN8heirloom7context5owned5Owned4poll17h0123456789abcdefE _ZN8heirloom4repo";
        assert!(binary(symbols).must_not_have(SANDBOX, TEXTS).is_ok());
        let failed = binary(symbols).must_have(SANDBOX, TEXTS);
        assert!(failed.is_err(), "a search that finds nothing is an error");
    }

    #[test]
    fn the_executable_of_a_target_is_found_in_what_cargo_says() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"name":"story"},"executable":"C:\\t\\story.exe","fresh":true}"#;
        let found = executable(said, "story").expect("it is there");
        assert_eq!(found, PathBuf::from("C:\\t\\story.exe"));
        assert!(executable(said, "missing").is_err());
    }
}
