// The name would be lost without a word: the thread's function is not the one that spawns.
use heirloom::owned_task;

#[owned_task(name = "pricing")]
fn pricing() {}

fn main() {
    std::thread::spawn(pricing);
}
