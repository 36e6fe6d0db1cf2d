//! `cargo xtask with-servers <command>`: any command, with what tests find their server by.

use crate::failed;
use crate::postgres::{Databases, Server};
use crate::step::Failure;
use crate::{node, python};
use std::process::{Command, ExitCode};

/// Ends as the command does. What it leaves in the databases is there the next time.
pub(crate) fn run(program: &str, arguments: &[&str]) -> ExitCode {
    let server = match Server::start(Databases::Kept) {
        Ok(server) => server,
        Err(failure) => return failed(&failure),
    };
    // Few commands need it, and it comes from a place that not everybody gets to.
    let python = python::with_psycopg()
        .inspect_err(|failure| eprintln!("xtask: without HEIRLOOM_PYTHON: {failure}"))
        .ok();
    let modules = node::with_pg()
        .inspect_err(|failure| eprintln!("xtask: without HEIRLOOM_NODE_MODULES: {failure}"))
        .ok();
    let status = Command::new(program)
        .args(arguments)
        // Whatever the person has set: that server is not for tests.
        .envs(server.variables())
        .envs(python.iter().map(|python| python::variable(python)))
        .envs(modules.iter().map(|modules| node::variable(modules)))
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => failed(&Failure::new(format!("cannot run `{program}`: {error}"))),
    }
}
