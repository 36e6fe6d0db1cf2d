// Owners exist only at run time.
#[heirloom::owned_task]
const fn job() {}

fn main() {}
