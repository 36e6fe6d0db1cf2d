// The attribute brings its own.
use heirloom::sandboxed;

#[sandboxed]
#[test]
async fn test() {}

fn main() {}
