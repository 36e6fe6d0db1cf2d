// A spawn that is passed on starts tasks where nobody can wrap them.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    let handles: Vec<_> = [async {}].into_iter().map(tokio::spawn).collect();
    drop(handles);
}

fn main() {}
