//! Work that reaches a thread of nobody's on a side road inherits all the same.
#![deny(warnings, clippy::all)]

use heirloom::{Owner, Sandbox, Test, current, owned_task};
use rayon::ThreadPoolBuilder;
use std::future::Future;
use std::pin::Pin;
use std::thread;

type Seen = Option<Owner>;

#[owned_task]
fn in_a_macro_or_by_name() -> Vec<Seen> {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (left, right) = pool.join(|| current(), || current());
    let by_name = pool.install(current);
    vec![
        left,
        right,
        by_name,
        pool.install(|| current()),
        rayon::join(|| current(), || ()).0,
    ]
}

#[owned_task]
fn with_an_attribute() -> Vec<Seen> {
    let one = thread::spawn(
        #[allow(clippy::redundant_closure)]
        || current(),
    );
    let other = thread::spawn(
        #[allow(clippy::redundant_closure)]
        {
            move || current()
        },
    );
    vec![one.join().unwrap(), other.join().unwrap()]
}

#[owned_task]
fn from_a_branch(number: u8) -> Pin<Box<dyn Future<Output = Seen> + Send>> {
    if number == 0 {
        return Box::pin(async { current() });
    }
    match number {
        1 => Box::pin(async { current() }),
        _ if number > 2 => {
            if number == 3 {
                Box::pin(async { current() })
            } else {
                Box::pin(async move { from_a_branch(0).await })
            }
        }
        _ => Box::pin(async {
            let nested = |early: bool| {
                if early {
                    return current();
                }
                None
            };
            nested(true)
        }),
    }
}

fn main() {
    let run = |sandbox: Sandbox| {
        let owner = sandbox.owner().clone();
        let mut seen = thread::spawn(move || {
            let scope = owner.enter();
            let mut seen = in_a_macro_or_by_name();
            seen.extend(with_an_attribute());
            let futures: Vec<_> = (0..5).map(from_a_branch).collect();
            drop(scope);
            assert_eq!(current(), None, "or the sightings below prove nothing");
            seen.extend(futures.into_iter().map(futures_executor::block_on));
            seen
        })
        .join()
        .unwrap();
        seen.retain(|sighting| sighting.as_ref() != Some(sandbox.owner()));
        assert_eq!(seen, Vec::<Seen>::new());
    };
    drop(Test::here("missed").run_blocking(|sandbox| async move { Ok(sandbox) }, run));
}
