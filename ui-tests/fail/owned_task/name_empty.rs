// Nobody could be allowed by such a name.
#[heirloom::owned_task(name = "")]
async fn pricing() {}

fn main() {}
