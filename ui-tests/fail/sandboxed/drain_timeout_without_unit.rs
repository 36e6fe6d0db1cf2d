// Five what?
use heirloom::sandboxed;

#[sandboxed(drain_timeout = 5)]
async fn test() {}

fn main() {}
