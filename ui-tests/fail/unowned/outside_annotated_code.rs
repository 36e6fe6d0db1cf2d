// Without an attribute around it there is nothing to be left out of.
#[heirloom::unowned("metrics")]
fn job() {}

fn main() {
    job();
}
