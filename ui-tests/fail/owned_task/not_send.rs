// A type error in the work points to the work.
use heirloom::owned_task;
use std::rc::Rc;

#[owned_task]
async fn job() {
    let shared = Rc::new(1);
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        drop(shared);
    });
}

fn main() {}
