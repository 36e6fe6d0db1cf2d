// Everything is allowed anyway.
use heirloom::sandboxed;

#[sandboxed(allow(tokio::spawn))]
async fn test() {}

fn main() {}
