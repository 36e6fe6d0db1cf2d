// Tokens that are no Rust cannot be rewritten.
use heirloom::owned_task;

macro_rules! start {
    (go $work:expr => tokio::spawn) => {
        tokio::spawn($work)
    };
}

#[owned_task]
async fn job() {
    start!(go async {} => tokio::spawn).await.unwrap();
}

fn main() {}
