// The default runtime has one thread.
use heirloom::sandboxed;

#[sandboxed(flavor = "current_thread", worker_threads = 2)]
async fn test() {}

fn main() {}
