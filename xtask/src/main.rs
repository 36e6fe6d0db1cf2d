//! What this repository is tested and checked with: `cargo xtask test` and `cargo xtask ci`.

mod ci;
mod guestbook;
mod node;
mod postgres;
mod production;
mod python;
mod step;
mod test;
mod told;
mod tools;
mod underway;
mod unstable;
mod with_servers;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test           installs what is missing, then runs every test
  with-servers   runs a command with the tests' database server: `with-servers cargo test --workspace`
  production     checks that nothing of the sandbox is in a release build, and that this build works
  ci             formatting, lints, documentation, the production check, every test";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::run(),
        ["with-servers", program, ref arguments @ ..] => {
            return with_servers::run(program, arguments);
        }
        ["production"] => production::check(),
        ["ci"] => ci::run(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] | ["with-servers"] => return misused("a command is missing"),
        ["test" | "production" | "ci", more, ..] => {
            return misused(&format!("unexpected argument `{more}`"));
        }
        [unknown, ..] => return misused(&format!("unknown command `{unknown}`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &step::Failure) -> ExitCode {
    eprintln!("\nxtask: {failure}");
    ExitCode::FAILURE
}

fn misused(why: &str) -> ExitCode {
    eprintln!("xtask: {why}\n\n{USAGE}");
    ExitCode::from(2)
}
