// Two databases.
use heirloom::sandboxed;

#[sandboxed]
#[sqlx::test]
async fn test(pool: sqlx::SqlitePool) {}

fn main() {}
