// There is nothing in a struct that could own a task.
#[heirloom::owned_task]
struct Worker;

fn main() {}
