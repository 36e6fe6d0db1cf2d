// What a test may return is the standard library's choice; the error stands at the type. A program has no tests in it, so
// the test attribute is left to another one, which only looks like rstest.
use heirloom::sandboxed;
use tracing::instrument as rstest;

#[sandboxed]
#[rstest]
async fn test() -> u8 {
    1
}

fn main() {}
