// Spawns are recognised by their name.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    use tokio::spawn as go;
    go(async {}).await.unwrap();
}

fn main() {}
