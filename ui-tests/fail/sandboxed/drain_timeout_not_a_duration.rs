// Units are ms, s and m.
use heirloom::sandboxed;

#[sandboxed(drain_timeout = "5 seconds")]
async fn test() {}

fn main() {}
