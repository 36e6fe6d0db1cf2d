// Named actors come with a later version.
#[heirloom::owned_task(name = "pricing")]
async fn pricing() {}

fn main() {}
