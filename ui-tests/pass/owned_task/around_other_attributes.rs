//! `#[async_trait]` and `#[instrument]` above and below ours, and a runtime attribute on an annotated function.
#![deny(warnings, clippy::all)]

use async_trait::async_trait;
use heirloom::owned_task;

#[async_trait]
trait Works: Send + Sync {
    async fn work(&self, text: &str) -> usize;
    async fn rest(&mut self) {}
}

struct Above;
struct Below;
struct InModule;

#[owned_task]
#[async_trait]
impl Works for Above {
    async fn work(&self, text: &str) -> usize {
        let length = text.len();
        tokio::spawn(async move { length }).await.unwrap()
    }
}

#[async_trait]
#[owned_task]
impl Works for Below {
    async fn work(&self, text: &str) -> usize {
        text.len()
    }
}

#[owned_task]
mod inside {
    use super::{InModule, Works};
    use async_trait::async_trait;

    #[async_trait]
    impl Works for InModule {
        async fn work(&self, text: &str) -> usize {
            text.len()
        }
    }

    #[tracing::instrument]
    pub async fn instrumented(text: String) -> usize {
        text.len()
    }

    #[super::owned_task]
    pub async fn annotated_itself() -> usize {
        1
    }
}

#[owned_task]
#[tracing::instrument(skip(text))]
async fn instrumented_below(text: &str) -> usize {
    text.len()
}

#[tracing::instrument]
#[owned_task]
async fn instrumented_above(text: &str) -> usize {
    text.len()
}

#[owned_task]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(Above.work("a").await, 1);
    let (mut below, module): (Box<dyn Works>, Box<dyn Works>) =
        (Box::new(Below), Box::new(InModule));
    assert_eq!(below.work("ab").await + module.work("abc").await, 5);
    below.rest().await;
    assert_eq!(inside::instrumented("abc".to_owned()).await, 3);
    assert_eq!(inside::annotated_itself().await, 1);
    assert_eq!(instrumented_below("ab").await, 2);
    assert_eq!(instrumented_above("ab").await, 2);
    tokio::spawn(async {}).await.unwrap();
}
