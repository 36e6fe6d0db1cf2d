// The three things that the end of a test may do are listed.
use heirloom::sandboxed;

#[sandboxed(drain = "wrong")]
async fn test() {}

fn main() {}
