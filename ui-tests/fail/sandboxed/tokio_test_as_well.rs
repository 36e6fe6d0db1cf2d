// Two runtimes, two tests.
use heirloom::sandboxed;

#[sandboxed]
#[tokio::test]
async fn test() {}

fn main() {}
