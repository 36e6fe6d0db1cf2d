//! How a test runs and fails: what a person reads, and what is done in every case.

use heirloom::{BoxError, FromSandbox, Life, Outcome, Owner, Sandbox};
use heirloom_tests::{failure_of, test};
use std::process::{ExitCode, Termination};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn say(log: &Log, what: &'static str) {
    log.lock().expect("a log").push(what);
}

#[test]
fn the_body_runs_as_a_named_placed_running_owner() {
    let line = line!() + 1;
    drop(test("story::t").run(|sandbox: Sandbox| async move {
        let owner: Owner = sandbox.get().await.expect("an owner");
        assert_eq!(heirloom::current(), Some(owner.clone()));
        assert_eq!(heirloom::require_current()?, owner);
        assert_eq!((owner.name(), owner.life()), ("story::t", Life::Running));
        assert_eq!(
            (owner.started_at().file, owner.started_at().line),
            (file!(), line)
        );
        Ok(())
    }));
    assert_eq!(heirloom::current(), None);
}

#[test]
fn an_owner_has_ended_when_its_test_returns() {
    let mut seen = None;
    let owner = &mut seen;
    drop(test("ends").run(|sandbox: Sandbox| async move {
        *owner = Some(sandbox.owner().clone());
        Ok(())
    }));
    assert_eq!(seen.expect("set").life(), Life::Ended);
}

#[test]
fn a_returned_error_fails_the_test() {
    let outcome: Outcome = test("errs").run(|_: Sandbox| async { Ok(Err::<(), _>("broken")) });
    assert_eq!(outcome.report(), ExitCode::FAILURE);
    let outcome = test("succeeds").run(|_: Sandbox| async { Ok(ExitCode::SUCCESS) });
    assert_eq!(outcome.report(), ExitCode::SUCCESS);
}

#[test]
fn a_panic_comes_out_as_it_was_and_teardown_runs_all_the_same() {
    let log = Log::default();
    let said = Arc::clone(&log);
    let text = failure_of(|| {
        test("panics").run(|sandbox: Sandbox| async move {
            sandbox.on_teardown(move || async move {
                say(&said, "torn down");
                Ok(())
            });
            assert!(
                sandbox.owner().life() != Life::Running,
                "the original message"
            );
            Ok(())
        })
    });
    assert_eq!(text, "the original message");
    assert_eq!(*log.lock().expect("a log"), ["torn down"]);
}

#[test]
fn teardown_runs_last_first_as_the_owner_and_every_failure_is_told() {
    let log = Log::default();
    let (first, second, third) = (Arc::clone(&log), Arc::clone(&log), Arc::clone(&log));
    let text = failure_of(|| {
        test("tears_down").run(|sandbox: Sandbox| async move {
            let owner = sandbox.owner().clone();
            sandbox.on_teardown(move || async move {
                assert_eq!(heirloom::current(), Some(owner));
                say(&first, "first");
                Ok(())
            });
            sandbox.on_teardown(move || async move {
                say(&second, "second");
                Err("the server did not stop".into())
            });
            sandbox.on_teardown(move || async move {
                say(&third, "third");
                panic!("the file differs");
            });
            Ok(())
        })
    });
    assert_eq!(*log.lock().expect("a log"), ["third", "second", "first"]);
    for part in [
        "teardown",
        file!(),
        "the server did not stop",
        "it panicked: the file differs",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_test_that_should_panic_passes_by_its_panic_alone() {
    let text = failure_of(|| {
        test("panics").should_panic().run(|_: Sandbox| async {
            assert_eq!(1, 2, "as planned");
            Ok(())
        })
    });
    assert!(text.contains("as planned"), "{text}");

    // libtest takes any panic for the expected one, so what else goes wrong must not be one.
    drop(
        test("fixture")
            .should_panic()
            .run(|sandbox: Sandbox| async move {
                let place = sandbox.owner().started_at();
                heirloom::__private::argument::<Unlucky>(&sandbox, "app: Unlucky", place)
                    .await
                    .map(drop)
            }),
    );
    drop(
        test("fixture_panics")
            .should_panic()
            .run(|sandbox: Sandbox| async move {
                let place = sandbox.owner().started_at();
                heirloom::__private::argument::<Panicking>(&sandbox, "app: Panicking", place)
                    .await
                    .map(drop)
            }),
    );
    drop(
        test("teardown")
            .should_panic()
            .run(|sandbox: Sandbox| async move {
                sandbox.on_teardown(|| async { Err("the server did not stop".into()) });
                assert_eq!(1, 2, "as planned");
                Ok(())
            }),
    );
    drop(
        test("no_panic")
            .should_panic()
            .run(|_: Sandbox| async { Ok(()) }),
    );
}

struct Panicking;

impl FromSandbox for Panicking {
    async fn from_sandbox(_: &Sandbox) -> Result<Self, BoxError> {
        panic!("in the fixture");
    }
}

#[test]
fn a_fixture_that_panics_is_named_too() {
    let place = heirloom::Place {
        file: "story.rs",
        line: 1,
        column: 2,
    };
    let text = failure_of(|| {
        test("panicking").run(|sandbox: Sandbox| async move {
            let app = heirloom::__private::argument::<Panicking>(&sandbox, "app: Panicking", place);
            app.await.map(drop)
        })
    });
    assert_eq!(
        text,
        "fixture `app: Panicking` panicked at story.rs:1:2: in the fixture"
    );
}

#[test]
fn a_teardown_that_does_not_end_fails_the_test_with_its_place() {
    let text = failure_of(|| {
        test("waits")
            .drain_timeout(Duration::from_millis(50))
            .run(|sandbox: Sandbox| async move {
                sandbox.on_teardown(std::future::pending);
                Ok(())
            })
    });
    for part in [
        &format!("teardown at {}:", file!()),
        "still running after 50ms",
        "help:",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_teardown_that_comes_too_late_fails_the_test_with_its_place() {
    struct OnDrop(Sandbox);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.on_teardown(|| async { Ok(()) });
        }
    }

    let text = failure_of(|| {
        test("late").run(|sandbox: Sandbox| async move {
            let on_drop = OnDrop(sandbox);
            tokio::spawn(async move {
                let _on_drop = on_drop;
                std::future::pending::<()>().await;
            });
            Ok(())
        })
    });
    assert!(
        text.contains("teardown at") && text.contains("registered after"),
        "{text}"
    );
}

struct Unlucky;

impl FromSandbox for Unlucky {
    async fn from_sandbox(_: &Sandbox) -> Result<Self, BoxError> {
        Err("no luck today".into())
    }
}

#[test]
fn a_fixture_that_fails_is_named_with_its_argument_and_place() {
    let place = heirloom::Place {
        file: "story.rs",
        line: 12,
        column: 4,
    };
    let text = failure_of(|| {
        test("unlucky").run(|sandbox: Sandbox| async move {
            heirloom::__private::argument::<Unlucky>(&sandbox, "app: Unlucky", place)
                .await
                .map(drop)
        })
    });
    assert_eq!(
        text,
        "fixture `app: Unlucky` failed at story.rs:12:4: no luck today"
    );
}

#[test]
fn a_test_that_is_not_async_has_its_fixtures_and_the_runtimes_context() {
    drop(test("blocking").run_blocking(
        |sandbox: Sandbox| async move { Ok(sandbox) },
        |sandbox: Sandbox| {
            assert_eq!(heirloom::current().as_ref(), Some(sandbox.owner()));
            assert!(tokio::runtime::Handle::try_current().is_ok());
        },
    ));
}

#[test]
fn a_blocking_task_that_does_not_end_fails_the_test_by_name() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let text = failure_of(|| {
        test("story::hangs")
            .drain_timeout(Duration::from_millis(50))
            .run(|_: Sandbox| async move {
                drop(tokio::task::spawn_blocking(move || released.recv()));
                Ok(())
            })
    });
    drop(release);
    for part in [
        "`story::hangs` ended",
        "spawn_blocking",
        "50ms",
        "help:",
        file!(),
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn both_runtimes_make_their_threads_the_tests() {
    for multi_thread in [false, true] {
        let test = test("threads");
        let test = if multi_thread {
            test.multi_thread().worker_threads(3)
        } else {
            test
        };
        drop(test.run(|sandbox: Sandbox| async move {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..32 {
                tasks.spawn(async {
                    tokio::task::yield_now().await;
                    heirloom::current()
                });
                tasks.spawn_blocking(heirloom::current);
            }
            while let Some(seen) = tasks.join_next().await {
                assert_eq!(seen?.as_ref(), Some(sandbox.owner()));
            }
            Ok(())
        }));
    }
}

#[test]
fn tests_inside_one_another_keep_to_themselves() {
    drop(test("outer").run(|outer: Sandbox| async move {
        let inner = std::thread::spawn(|| {
            drop(test("inner").run(|inner: Sandbox| async move {
                assert_eq!(heirloom::current().as_ref(), Some(inner.owner()));
                Ok(())
            }));
        });
        inner.join().expect("it passes");
        assert_eq!(heirloom::current().as_ref(), Some(outer.owner()));
        Ok(())
    }));
}
