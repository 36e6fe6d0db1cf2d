// Owned and unowned at once.
use heirloom::owned_task;

#[owned_task]
#[unowned("metrics")]
async fn job() {}

fn main() {}
