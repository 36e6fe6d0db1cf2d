// Every implementation would be an actor of this name.
#[heirloom::owned_task(name = "pricing")]
trait Prices {
    fn start(&self) {
        std::thread::spawn(|| {});
    }
}

impl Prices for () {}

fn main() {
    ().start();
}
