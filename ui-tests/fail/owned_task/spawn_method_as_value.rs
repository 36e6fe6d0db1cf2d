// A method that is passed on is a spawn as well.
use heirloom::owned_task;
use tokio::task::JoinSet;

#[owned_task]
fn start_all(set: &mut JoinSet<()>) {
    let start = JoinSet::spawn;
    start(set, async {});
}

fn main() {}
