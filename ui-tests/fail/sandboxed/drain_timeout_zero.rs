// Tasks need some time to end.
use heirloom::sandboxed;

#[sandboxed(drain_timeout = "0s")]
async fn test() {}

fn main() {}
