// In quotes or not, it is the path of a static.
use heirloom::sandboxed;

#[sandboxed(migrator = "./migrations")]
async fn test() {}

fn main() {}
