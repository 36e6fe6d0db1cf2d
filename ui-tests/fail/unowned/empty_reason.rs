// An empty reason is none.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    #[unowned("  ")]
    tokio::spawn(async {});
}

fn main() {}
