// Names and paths are looked for in different places.
use heirloom::sandboxed;

#[sandboxed(fixtures("users", "./more/entries.sql"))]
async fn test() {}

fn main() {}
