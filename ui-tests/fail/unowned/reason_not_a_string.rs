// The reason is text.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    #[unowned(metrics)]
    tokio::spawn(async {});
}

fn main() {}
