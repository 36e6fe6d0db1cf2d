// The standard harness allows `()` only.
use heirloom::sandboxed;

#[sandboxed]
#[should_panic]
async fn test() -> Result<(), String> { Ok(()) }

fn main() {}
