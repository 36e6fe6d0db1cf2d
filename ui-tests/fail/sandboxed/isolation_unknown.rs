// Only kinds that exist are listed.
use heirloom::sandboxed;

#[sandboxed(isolation = "schema")]
async fn test() {}

fn main() {}
