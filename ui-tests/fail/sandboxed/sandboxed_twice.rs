// One is enough.
use heirloom::sandboxed;

#[sandboxed]
#[heirloom::sandboxed(flavor = "multi_thread")]
async fn test() {}

fn main() {}
