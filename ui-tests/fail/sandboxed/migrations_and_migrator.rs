// A test has one set of migrations.
use heirloom::sandboxed;

#[sandboxed(migrations = "db", migrator = crate::MIGRATOR)]
async fn test() {}

fn main() {}
