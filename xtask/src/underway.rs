//! The example on underway, which is a workspace of its own: underway takes sqlx 0.8 with that version's SQLite, and cargo
//! allows only one among the packages of a workspace. It is built below the usual target directory.

use crate::postgres::Server;
use crate::step::{Failure, Result, Step};
use crate::tools;

pub(crate) fn test(server: &Server) -> Result {
    let target = tools::target_dir()?.join("underway");
    let target = target.to_str().map(str::to_owned);
    let target = target.ok_or_else(|| Failure::new("the target directory is not Unicode"))?;
    Step::cargo("test --manifest-path examples/underway/Cargo.toml")
        .with([("CARGO_TARGET_DIR", target.as_str())])
        .with(server.variables())
        .run_tests()
}
