// The choices are listed.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi")]
async fn test() {}

fn main() {}
