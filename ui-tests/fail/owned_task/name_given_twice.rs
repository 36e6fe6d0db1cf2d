// An actor has one name.
#[heirloom::owned_task(name = "pricing", name = "prices")]
async fn pricing() {}

fn main() {}
