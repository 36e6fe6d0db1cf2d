#[async_trait]
#[::heirloom::owned_task]
impl Works for Actor {
    async fn work(&self) {}
}
