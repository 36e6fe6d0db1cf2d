// A type error in a closure points to the closure, not to the attribute.
use heirloom::owned_task;
use std::rc::Rc;

#[owned_task]
fn job() {
    let (first, second) = (Rc::new(1), Rc::new(2));
    std::thread::spawn(|| drop(first));
    std::thread::Builder::new().spawn(move || drop(second)).unwrap();
}

fn main() {}
