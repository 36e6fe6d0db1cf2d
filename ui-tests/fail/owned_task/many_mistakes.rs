// All mistakes of one item at once, each at its token, and the item is still there.
use heirloom::owned_task;

#[owned_task(nam = 1, crate = heirloom, crate = ::heirloom)]
async fn job(count: usize) -> usize {
    let start = tokio::spawn;
    #[unowned]
    start(async {});
    #[unowned("")]
    tokio::spawn(async {});
    [|| {}].map(std::thread::spawn);
    count
}

fn main() {
    drop(job(1));
}
