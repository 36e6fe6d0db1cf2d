// Comes with a later version.
use heirloom::sandboxed;

#[sandboxed(ownership_timeout = "120s")]
async fn test() {}

fn main() {}
