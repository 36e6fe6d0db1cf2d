// It would take the database away before the test has it, and "for ever" is not offered.
use heirloom::sandboxed;

#[sandboxed(ownership_timeout = "0s")]
async fn test() {}

fn main() {}
