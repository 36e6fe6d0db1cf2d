// The choices are listed.
use heirloom::sandboxed;

#[sandboxed(spawns = "allow")]
async fn test() {}

fn main() {}
