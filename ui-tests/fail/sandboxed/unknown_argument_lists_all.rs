// Without one that is near, all of them.
use heirloom::sandboxed;

#[sandboxed(timeout = "5s")]
async fn test() {}

fn main() {}
