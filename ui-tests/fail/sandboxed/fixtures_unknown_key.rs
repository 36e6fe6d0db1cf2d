// The forms are those of `#[sqlx::test]`.
use heirloom::sandboxed;

#[sandboxed(fixtures(dir = "x", scripts("users")))]
async fn test() {}

fn main() {}
