// A field of a literal starts nothing by itself.
use heirloom::owned_task;

struct Started {
    handle: std::thread::JoinHandle<()>,
}

#[owned_task]
fn job() -> Started {
    Started {
        #[unowned("metrics")]
        handle: std::thread::spawn(|| {}),
    }
}

fn main() {}
