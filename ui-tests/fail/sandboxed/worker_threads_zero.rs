// A runtime without threads runs nothing.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi_thread", worker_threads = 0)]
async fn test() {}

fn main() {}
