// A relative path would mean something else in another module.
#[heirloom::owned_task(crate = heirloom)]
async fn job() {}

fn main() {}
