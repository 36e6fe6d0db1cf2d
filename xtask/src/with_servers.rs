//! `cargo xtask with-servers <command>`: any command, with what tests find their server by.

use crate::failed;
use crate::postgres::{Databases, Server};
use crate::step::Failure;
use std::process::{Command, ExitCode};

/// Ends as the command does. What it leaves in the databases is there the next time.
pub(crate) fn run(program: &str, arguments: &[&str]) -> ExitCode {
    let server = match Server::start(Databases::Kept) {
        Ok(server) => server,
        Err(failure) => return failed(&failure),
    };
    let status = Command::new(program)
        .args(arguments)
        // Whatever the person has set: that server is not for tests.
        .envs(server.variables())
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => failed(&Failure::new(format!("cannot run `{program}`: {error}"))),
    }
}
