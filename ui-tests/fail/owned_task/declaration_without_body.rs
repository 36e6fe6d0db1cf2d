// A declaration starts nothing.
trait Works {
    #[heirloom::owned_task]
    fn work(&self);
}

fn main() {}
