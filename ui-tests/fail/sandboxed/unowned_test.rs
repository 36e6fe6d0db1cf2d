// A test owns what it starts.
use heirloom::sandboxed;

#[sandboxed]
#[unowned("why")]
async fn test() {}

fn main() {}
