// The path is a path.
#[heirloom::owned_task(crate = "heirloom")]
async fn job() {}

fn main() {}
