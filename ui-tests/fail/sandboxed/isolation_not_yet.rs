// The other kinds of isolation come with a later version.
use heirloom::sandboxed;

#[sandboxed(isolation = "transaction")]
async fn test() {}

fn main() {}
