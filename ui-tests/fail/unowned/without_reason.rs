// The next reader has to know why nobody owns the task.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    #[unowned]
    tokio::spawn(async {});
    #[unowned()]
    tokio::spawn(async {});
}

fn main() {}
