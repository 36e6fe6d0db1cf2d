// A single name is a spawn as well, if it is not a local one.
use heirloom::owned_task;
use tokio::spawn;

#[owned_task]
async fn job() {
    let handles: Vec<_> = [async {}].into_iter().map(spawn).collect();
    drop(handles);
}

fn main() {}
