// The call in the test would pass an argument that the function does not take.
use heirloom::{Sandbox, sandboxed};

#[sandboxed]
async fn test(#[cfg(unix)] metrics: Sandbox, sandbox: Sandbox) {}

fn main() {}
