// A string where `true` belongs.
use heirloom::sandboxed;

#[sandboxed(shared = "yes")]
async fn test() {}

fn main() {}
