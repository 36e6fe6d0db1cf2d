// Only kinds that exist are listed.
use heirloom::sandboxed;

#[sandboxed(isolation = "nonsense")]
async fn test() {}

fn main() {}
