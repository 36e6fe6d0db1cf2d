//! Hygiene: no prelude, a renamed crate, and every name that generated code could mean is the user's own.
#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

extern crate heirloom as renamed;
extern crate std as real_std;
extern crate tokio as real_tokio;

mod std {}
mod core {}
mod tokio {}
mod heirloom {}
mod alloc {}

struct Ok;
struct Err;
struct Some;
struct None;
struct Result;
struct Option;
struct Box;
struct Send;
struct Future;
struct Clone;
struct FnOnce;
struct Drop;
trait AnyWork {
    fn unrelated(&self) {}
}
impl<T> AnyWork for T {}

#[::renamed::owned_task(crate = ::renamed)]
async fn task(argument_0: u8, (a, b): (u8, u8)) -> u8 {
    let __heirloom_work = argument_0;
    let handle = ::real_tokio::spawn(async move { __heirloom_work });
    let scoped = ::real_std::thread::spawn(move || a + b).join();
    match (handle.await, scoped) {
        (::real_std::result::Result::Ok(left), ::real_std::result::Result::Ok(right)) => {
            left + right
        }
        _ => 0,
    }
}

fn main() {
    let runtime = ::real_tokio::runtime::Builder::new_current_thread().build();
    if let ::real_std::result::Result::Ok(runtime) = runtime {
        ::real_std::assert_eq!(runtime.block_on(task(1, (2, 3))), 6);
    }
}
