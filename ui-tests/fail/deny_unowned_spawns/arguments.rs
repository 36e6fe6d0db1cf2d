// There is nothing to choose.
heirloom::deny_unowned_spawns!(warn);

fn main() {}
