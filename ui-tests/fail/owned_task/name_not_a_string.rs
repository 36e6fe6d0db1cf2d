// A path where a string belongs, and a list where a value belongs.
use heirloom::owned_task;

const NAME: &str = "pricing";

#[owned_task(name = NAME)]
async fn by_constant() {}

#[owned_task(name("pricing"))]
async fn by_list() {}

fn main() {
    drop((by_constant(), by_list()));
    println!("{NAME}");
}
