//! `drain = "settle" | "join" | "abort"`: what becomes of a task that runs, of one that waits for time, and of an actor.

use heirloom::{Drain, FutureExt as _, Sandbox, Test, owned};
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::yield_now;

/// What became of each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// Takes note of whether the work was finished when it was dropped.
async fn noted(log: Log, name: &'static str, work: impl Future<Output = ()>) {
    struct Note(Log, &'static str, &'static str);

    impl Drop for Note {
        fn drop(&mut self) {
            let Self(log, name, fate) = self;
            log.0.lock().unwrap().push(format!("{name} {fate}"));
        }
    }

    let mut note = Note(log, name, "was dropped");
    work.await;
    note.2 = "finished";
}

async fn runs() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

/// What becomes of the three, in the order of their names.
fn fates(drain: Drain, configure: impl FnOnce(Test) -> Test) -> Vec<String> {
    let log = Log::default();
    let lines = log.clone();
    let test = configure(Test::here("guest_is_welcomed").drain(drain));
    drop(test.run(|_: Sandbox| async move {
        let actor = noted(lines.clone(), "actor", pending());
        tokio::spawn(actor.owned().named("pricing"));
        tokio::spawn(owned(noted(lines.clone(), "runner", runs())));
        let nap = tokio::time::sleep(Duration::from_millis(30));
        tokio::spawn(owned(noted(lines, "sleeper", nap)));
        // All have begun.
        for _ in 0..3 {
            yield_now().await;
        }
        Ok(())
    }));
    let mut fates = std::mem::take(&mut *log.0.lock().unwrap());
    fates.sort();
    fates
}

#[test]
fn settle_lets_run_what_runs() {
    let fates = fates(Drain::Settle, |test| test);
    assert_eq!(fates[..2], ["actor was dropped", "runner finished"]);
    // Whether 30 ms had passed when the others had settled is not said.
    assert_eq!(fates.len(), 3);
}

#[test]
fn settle_is_what_is_done_if_nothing_is_said() {
    assert_eq!(Drain::default(), Drain::Settle);
}

#[test]
fn settle_does_not_let_time_pass_that_is_paused() {
    let fates = fates(Drain::Settle, Test::start_paused);
    let expected = [
        "actor was dropped",
        "runner finished",
        "sleeper was dropped",
    ];
    assert_eq!(fates, expected);
}

#[test]
fn join_waits_for_all_but_actors() {
    for flavor in [|test| test, Test::multi_thread, Test::start_paused] {
        let expected = ["actor was dropped", "runner finished", "sleeper finished"];
        assert_eq!(fates(Drain::Join, flavor), expected);
    }
}

#[test]
fn abort_drops_all_as_it_is() {
    let expected = [
        "actor was dropped",
        "runner was dropped",
        "sleeper was dropped",
    ];
    assert_eq!(fates(Drain::Abort, |test| test), expected);
}

#[test]
fn abort_ends_on_several_threads_what_never_rests() {
    let test = Test::here("guest_is_welcomed").drain(Drain::Abort);
    drop(test.multi_thread().run(|_: Sandbox| async {
        for _ in 0..8 {
            tokio::spawn(owned(async {
                loop {
                    yield_now().await;
                }
            }));
        }
        Ok(())
    }));
}
