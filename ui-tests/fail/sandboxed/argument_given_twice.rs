// One of them would be ignored.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi_thread", flavor = "current_thread")]
async fn test() {}

fn main() {}
