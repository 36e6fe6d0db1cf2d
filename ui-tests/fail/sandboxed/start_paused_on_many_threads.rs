// tokio pauses time only on one thread.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi_thread", start_paused = true)]
async fn test() {}

fn main() {}
