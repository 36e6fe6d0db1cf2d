// What is not listed is an error at the spawn.
use heirloom::sandboxed;

#[sandboxed(spawns = "deny", allow(tokio::spawn))]
async fn test() {
    tokio::spawn(async {});
    tokio::task::spawn_blocking(|| {});
    tokio::task::JoinSet::new().spawn(async {});
    std::process::Command::new("true").spawn().unwrap();
}

fn main() {}
