// Comes with a later version.
use heirloom::sandboxed;

#[sandboxed(start_paused = true)]
async fn test() {}

fn main() {}
