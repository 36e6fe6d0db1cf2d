// Wrapped it would lose the parameter's type, untouched it would lose its owner.

use heirloom::owned_task;

fn count(_: &rayon::Scope<'_>) {}

#[owned_task]
fn counts() {
    rayon::scope(|scope| scope.spawn(count));
}

fn main() {
    counts();
}
