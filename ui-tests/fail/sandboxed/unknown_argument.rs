// A typo gets a suggestion.
use heirloom::sandboxed;

#[sandboxed(flavour = "multi_thread")]
async fn test() {}

fn main() {}
