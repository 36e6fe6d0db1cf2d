// A macro that is defined in the body spawns in the body.
use heirloom::owned_task;

#[owned_task]
async fn job() {
    macro_rules! start {
        ($work:expr) => {
            tokio::spawn($work)
        };
    }
    start!(async {}).await.unwrap();
}

fn main() {}
