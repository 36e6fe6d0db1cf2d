// `#[owned_task]` has one argument today.
#[heirloom::owned_task(crates = ::heirloom)]
async fn job() {}

fn main() {}
