// A `static` is made once, by whichever test comes first, and outlives it.
use heirloom::owned_task;

#[owned_task]
mod jobs {
    use std::sync::LazyLock;
    use std::thread::JoinHandle;

    pub static METRICS: LazyLock<JoinHandle<()>> = LazyLock::new(|| std::thread::spawn(|| {}));
}

fn main() {
    assert!(!jobs::METRICS.is_finished());
}
