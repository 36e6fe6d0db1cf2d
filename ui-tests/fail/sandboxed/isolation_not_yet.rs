// Comes with PostgreSQL.
use heirloom::sandboxed;

#[sandboxed(isolation = "transaction")]
async fn test() {}

fn main() {}
