//! Programs in other languages, started by a test and told by it what to do: `python/worker.py`, `node/worker.cjs`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What it is written in.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    /// With psycopg.
    Python,
    /// JavaScript, with `pg`.
    Node,
}

impl Language {
    fn command(self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR"));
        match self {
            Self::Python => {
                let mut command = Command::new(python());
                command.arg(scripts.join("python/worker.py"));
                command
            }
            Self::Node => {
                let modules = installed("HEIRLOOM_NODE_MODULES", "the modules of Node's driver");
                let mut command = Command::new("node");
                command.arg(scripts.join("node/worker.cjs"));
                command.env("NODE_PATH", modules);
                command
            }
        }
    }
}

/// A Python that has psycopg.
#[must_use]
pub fn python() -> std::ffi::OsString {
    installed("HEIRLOOM_PYTHON", "a Python with psycopg")
}

fn installed(variable: &str, what: &str) -> std::ffi::OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!("`cargo xtask with-servers <command>` says by {variable} where there is {what}")
    })
}

/// A process that runs one line after the other. Dropped, it is killed.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts it with these variables and waits until it is connected.
    pub async fn start<N, V>(language: Language, env: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut process = language
            .command()
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{language:?} starts: {error}"));
        let input = process.stdin.take().expect("it is piped");
        let output = process.stdout.take().expect("it is piped");
        let mut worker = Self {
            process,
            input,
            output: BufReader::new(output).lines(),
        };
        assert_eq!(worker.answer().await, "\"ready\"");
        worker
    }

    /// What it says when it gets no database.
    pub async fn refused<N, V>(language: Language, env: impl IntoIterator<Item = (N, V)>) -> String
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = language.command();
        command.envs(env).stdin(Stdio::null());
        let ended = command.output().await.expect("it starts");
        assert!(!ended.status.success(), "it got one");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    }

    /// What comes of this line, as JSON without blanks.
    pub async fn ask(&mut self, line: &str) -> String {
        self.tell(line).await;
        self.answer().await
    }

    /// Has it begin with this line.
    pub async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        let told = self.input.write_all(line.as_bytes()).await;
        told.expect("it reads its input");
    }

    /// What has come of the last line.
    pub async fn answer(&mut self) -> String {
        let line = self.output.next_line().await.expect("text");
        line.expect("it answers before it ends; what keeps it from that is on standard error")
    }

    /// Ends it as the system does: it has no time to say goodbye to anybody.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("it can be killed");
    }
}
