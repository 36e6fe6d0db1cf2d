// Nobody could keep its promise.
use heirloom::sandboxed;

#[sandboxed]
async unsafe fn test() {}

fn main() {}
