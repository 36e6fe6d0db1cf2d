//! Passes on what tests print, and keeps what tells which of them failed.

use std::io::{BufRead, BufReader, PipeReader, Write};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// How long the rest of the output may take once the command has ended. Without a limit, a process that a test has left
/// behind and that holds the other end would keep us here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a command; both of its streams go to `output`, in the order in which they were written to.
pub(crate) fn run(
    command: &mut Command,
    output: impl Write + Send + 'static,
) -> std::io::Result<(ExitStatus, Vec<String>)> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds our copies of the pipe's other end: while there is one, the pipe does not end.
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let (sender, failures) = mpsc::channel();
    std::thread::spawn(move || pass_on(reader, output, &sender));
    let status = child.wait()?;
    let mut failed = Vec::new();
    loop {
        match failures.recv_timeout(PATIENCE) {
            Ok(failure) => failed.push(failure),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("xtask: a process that was left behind holds on to the output");
                break;
            }
        }
    }
    Ok((status, failed))
}

fn pass_on(reader: PipeReader, mut output: impl Write, failures: &Sender<String>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        // Nobody who could be told is left where our own output is gone.
        output.write_all(&line).unwrap_or_default();
        if let Some(failure) = failure(&String::from_utf8_lossy(&line)) {
            failures.send(failure.to_owned()).unwrap_or_default();
        }
        line.clear();
    }
}

/// What a line tells of a failure: a test of libtest or nextest that failed, or a test program as a whole.
fn failure(line: &str) -> Option<&str> {
    let line = line.trim();
    let is_test = line.starts_with("test ") && line.ends_with("FAILED");
    let is_program = line.starts_with("`-p ") || line.starts_with("error: test failed");
    let is_process = ["FAIL [", "ABORT [", "SIGSEGV [", "TIMEOUT ["]
        .iter()
        .any(|start| line.starts_with(start));
    (is_test || is_program || is_process).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_kept_and_nothing_else() {
        for line in [
            "test a::b ... FAILED\n",
            "test src/lib.rs - f (line 3) ... FAILED\n",
            "    `-p heirloom-tests --test processes`\n",
            "error: test failed, to rerun pass `-p guestbook --lib`\n",
            "        FAIL [   0.011s] guestbook tests::a\n",
        ] {
            assert_eq!(failure(line), Some(line.trim()));
        }
        for line in [
            "test a::b ... ok",
            "test result: ok. 1 passed",
            "error: no such command",
        ] {
            assert_eq!(failure(line), None, "{line}");
        }
    }

    #[test]
    fn a_failing_command_tells_its_status_and_its_failures() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test one ... ok'; echo 'test two ... FAILED' >&2; exit 3",
        ]);
        let (status, failed) = run(&mut command, std::io::sink()).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(failed, ["test two ... FAILED"]);
    }
}
