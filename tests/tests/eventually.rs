//! Conditions that only time can bring.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use heirloom::{Error, Sandbox, eventually, eventually_within, sandboxed};
use std::cell::Cell;
use std::time::Duration;

#[sandboxed]
async fn it_tries_until_it_holds_and_gives_what_came_out(_: Sandbox) {
    let tries = Cell::new(0);
    let value = eventually(|| {
        tries.set(tries.get() + 1);
        let number = tries.get();
        async move { (number == 4).then_some("four") }
    });
    assert_eq!(value.await.unwrap(), "four");
    assert_eq!(tries.get(), 4);
    let held: Result<i32, Error> = eventually(|| async { "7".parse::<i32>() }).await;
    assert_eq!(held.unwrap(), 7);
    eventually(|| async { true }).await.unwrap();
    eventually(|| async {}).await.unwrap();
}

#[sandboxed(start_paused = true)]
async fn the_error_has_the_place_and_the_last_failure(_: Sandbox) {
    let tries = Cell::new(0);
    let line = line!() + 1;
    let error = eventually(|| {
        tries.set(tries.get() + 1);
        let number = tries.get();
        async move { Err::<(), _>(format!("it is {number}")) }
    });
    let text = format!("{:?}", error.await.unwrap_err());
    let place = format!(
        "the condition at {}:{line}:17 did not hold within 5s, in ",
        file!()
    );
    assert!(text.starts_with(&place), "{text}");
    assert!(
        text.ends_with(&format!("caused by: it is {}", tries.get())),
        "{text}"
    );
}

#[sandboxed(start_paused = true)]
async fn a_panic_is_an_attempt_that_failed(_: Sandbox) {
    let tries = Cell::new(0);
    eventually(|| {
        tries.set(tries.get() + 1);
        let number = tries.get();
        async move { assert!(number > 1, "not yet: {number}") }
    })
    .await
    .unwrap();
    let limit = Duration::from_millis(5);
    let error = eventually_within(limit, || async { assert!(tries.get() > 9, "never") });
    let text = format!("{:?}", error.await.unwrap_err());
    assert!(text.ends_with("caused by: it panicked: never"), "{text}");
}

#[sandboxed(start_paused = true)]
async fn an_attempt_that_does_not_end_is_given_up(_: Sandbox) {
    let limit = Duration::from_mins(1);
    let error = eventually_within(limit, std::future::pending::<bool>)
        .await
        .unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("within 60s, in 1 attempts"), "{text}");
    assert!(text.contains("the first attempt did not end"), "{text}");
}
