// The value is missing.
use heirloom::sandboxed;

#[sandboxed(flavor =)]
async fn test() {}

fn main() {}
