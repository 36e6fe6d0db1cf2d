// Arguments have names.
use heirloom::sandboxed;

#[sandboxed("users")]
async fn test() {}

fn main() {}
