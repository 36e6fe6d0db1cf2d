// The argument that was probably meant is named.
#[heirloom::owned_task(crates = ::heirloom)]
async fn job() {}

fn main() {}
