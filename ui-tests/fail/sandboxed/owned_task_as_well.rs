// A test owns what it starts.
use heirloom::sandboxed;

#[sandboxed]
#[heirloom::owned_task]
async fn test() {}

fn main() {}
