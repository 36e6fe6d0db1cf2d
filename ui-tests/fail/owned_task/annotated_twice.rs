// `#[sandboxed]` already owns what the test starts.
use heirloom::owned_task;

#[owned_task]
#[heirloom::sandboxed]
async fn job() {}

fn main() {}
