// A missing `FromSandbox` is reported at the type. A program has no tests in it, so the test attribute is left to
// another one, which only looks like rstest.
use heirloom::sandboxed;
use tracing::instrument as rstest;

struct TestApp;

#[sandboxed]
#[rstest]
async fn test(app: TestApp, count: std::collections::HashMap<u8, Vec<u8>>) {
    drop((app, count));
}

fn main() {}
