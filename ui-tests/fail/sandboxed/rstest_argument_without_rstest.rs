// The attribute would be taken off without a word, and the argument asked of the sandbox.
use heirloom::sandboxed;

#[sandboxed]
async fn test(#[case] expected: u8, #[future(awt)] app: String) {}

fn main() {}
