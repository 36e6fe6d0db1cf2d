// A test is called without a receiver.
struct Suite;

impl Suite {
    #[heirloom::sandboxed]
    async fn test(&self) {}
}

fn main() {}
