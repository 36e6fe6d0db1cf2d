// Foreign functions have no body to rewrite.
#[heirloom::owned_task]
unsafe extern "C" {
    safe fn job();
}

fn main() {}
