// A test runs at run time.
use heirloom::sandboxed;

#[sandboxed]
const fn test() {}

fn main() {}
