// Nothing chooses the type.
use heirloom::sandboxed;

#[sandboxed]
async fn test(pool: impl Clone) {}

fn main() {}
