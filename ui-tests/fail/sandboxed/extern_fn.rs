// The harness calls it.
use heirloom::sandboxed;

#[sandboxed]
extern "C" fn test() {}

fn main() {}
