// Without one that is near, all of them.
#[heirloom::owned_task(actor = "pricing")]
async fn job() {}

fn main() {}
