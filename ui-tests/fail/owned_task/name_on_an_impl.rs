// Which of the methods would be the actor?
struct Prices;

#[heirloom::owned_task(name = "pricing")]
impl Prices {
    async fn run(self) {}
    async fn stop(&self) {}
}

fn main() {
    drop(Prices.stop());
    drop(Prices.run());
}
