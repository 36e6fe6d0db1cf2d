// A plain function has no runtime.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
fn test() {}

#[sandboxed(start_paused = true)]
fn paused() {}

fn main() {}
