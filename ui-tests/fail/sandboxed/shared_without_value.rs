// Every argument has a value.
use heirloom::sandboxed;

#[sandboxed(shared)]
async fn test() {}

fn main() {}
