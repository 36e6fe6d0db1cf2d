// It says nothing.
use heirloom::sandboxed;

#[sandboxed(migrations = true)]
async fn test() {}

fn main() {}
