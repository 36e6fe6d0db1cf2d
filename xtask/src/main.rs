//! What this repository is tested and checked with: `cargo xtask test` and `cargo xtask ci`.

mod ci;
mod production;
mod step;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test         installs what is missing, then runs every test
  production   checks that nothing of the sandbox is in a release build, and that this build works
  ci           formatting, lints, documentation, the production check, every test";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::run(),
        ["production"] => production::check(),
        ["ci"] => ci::run(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => return misused("a command is missing"),
        ["test" | "production" | "ci", more, ..] => {
            return misused(&format!("unexpected argument `{more}`"));
        }
        [unknown, ..] => return misused(&format!("unknown command `{unknown}`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn misused(why: &str) -> ExitCode {
    eprintln!("xtask: {why}\n\n{USAGE}");
    ExitCode::from(2)
}
