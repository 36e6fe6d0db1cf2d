// A list where a value belongs, and a value where a list belongs.
use heirloom::sandboxed;

#[sandboxed(flavor("multi_thread"), fixtures = "users", migrations)]
async fn test() {}

fn main() {}
