// Comes with a later version.
use heirloom::sandboxed;

#[sandboxed(shared)]
async fn test() {}

fn main() {}
