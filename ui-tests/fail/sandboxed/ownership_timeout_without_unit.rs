// Five what?
use heirloom::sandboxed;

#[sandboxed(ownership_timeout = 5)]
async fn test() {}

fn main() {}
