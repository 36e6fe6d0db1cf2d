// A script that is not there is reported where it is named. A program has no tests in it, so the test attribute is left
// to another one, which only looks like rstest.
use heirloom::sandboxed;
use tracing::instrument as rstest;

#[sandboxed(fixtures("nobody"))]
#[rstest]
async fn test() {}

fn main() {}
