// A plain function has no runtime.
use heirloom::sandboxed;

#[sandboxed]
fn test() {
    tokio::spawn(async {});
}

fn main() {}
