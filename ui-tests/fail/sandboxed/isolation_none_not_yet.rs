// The other kinds of isolation come with a later version.
use heirloom::sandboxed;

#[sandboxed(isolation = "none")]
async fn test() {}

fn main() {}
