// The same, through a variable.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    let start = tokio::task::spawn;
    start(async {}).await.unwrap();
}

fn main() {}
