// A struct is no test.
use heirloom::sandboxed;

#[sandboxed]
pub struct Test;

fn main() {}
