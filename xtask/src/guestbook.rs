//! The guestbook's suites that need more than cargo: real browsers, and one in JavaScript.

use crate::postgres::Server;
use crate::production::executable;
use crate::step::{Failure, Result, Step};
use crate::tools;

/// The suite in JavaScript, which needs nothing but Node.
const SUITE: &str = "examples/guestbook/e2e/node/guestbook.test.mjs";

/// Where its server keeps the book of whoever brings no token.
const BOOK: &str = "GUESTBOOK_DATABASE_URL";

/// What the browsers' stories, which are tests of the workspace, cannot do without.
pub(crate) fn install_missing() -> Result {
    let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
    if Step::program(&driver, &["--version"]).succeeds() {
        return Ok(());
    }
    tools::install_chromium()
}

/// The browsers' stories on the other database, and the suite in JavaScript on both, against a server that is a process of
/// its own.
pub(crate) fn test(server: &Server) -> Result {
    Step::cargo("test --package guestbook-e2e --features postgres")
        .with(server.variables())
        .run_tests()?;
    in_javascript("sandbox,postgres", &[(BOOK, &book(server)?)])?;
    in_javascript("sandbox", &[])
}

fn in_javascript(features: &str, variables: &[(&str, &str)]) -> Result {
    let build = format!(
        "build --package guestbook --features {features} --message-format json-render-diagnostics"
    );
    let program = executable(&Step::cargo(&build).read()?, "guestbook")?;
    let program = program.to_str();
    let program = program.ok_or_else(|| Failure::new("the target directory is not Unicode"))?;
    Step::program("node", &["--test", SUITE])
        .with(variables.iter().copied())
        .env("GUESTBOOK", program)
        .run()
}

/// A database of its own beside the tests', which makes it when it starts.
fn book(server: &Server) -> Result<String> {
    let url = server
        .variables()
        .find_map(|(name, url)| (name == "DATABASE_URL").then(|| format!("{url}_node")));
    url.ok_or_else(|| Failure::new("the tests' server has no DATABASE_URL"))
}
