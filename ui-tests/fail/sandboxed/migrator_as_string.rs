// The path is a path.
use heirloom::sandboxed;

#[sandboxed(migrator = "crate::MIGRATOR")]
async fn test() {}

fn main() {}
