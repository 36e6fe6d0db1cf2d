// An empty list is a mistake.
use heirloom::sandboxed;

#[sandboxed(fixtures())]
async fn test() {}

fn main() {}
