// A spawn that is passed on starts tasks where nobody can wrap them.
use heirloom::sandboxed;

#[sandboxed]
async fn test() {
    let handles: Vec<_> = [async {}].into_iter().map(tokio::spawn).collect();
    drop(handles);
}

fn main() {}
