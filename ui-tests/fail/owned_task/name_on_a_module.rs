// A module is not an actor.
#[heirloom::owned_task(name = "pricing")]
mod prices {
    pub async fn run() {}
}

fn main() {
    drop(prices::run());
}
