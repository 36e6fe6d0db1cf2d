// A module is no test.
use heirloom::sandboxed;

#[sandboxed]
mod tests {}

fn main() {}
