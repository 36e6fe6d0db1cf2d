// A test owns its arguments.
use heirloom::sandboxed;

#[sandboxed]
async fn test(pool: &sqlx::SqlitePool) {}

fn main() {}
