// A relative path would mean something else in another module.
use heirloom::sandboxed;

#[sandboxed(crate = heirloom)]
async fn test() {}

fn main() {}
