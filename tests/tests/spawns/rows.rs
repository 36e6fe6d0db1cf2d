//! Runs a row, and says whose everything in it was.

use heirloom::{FutureExt as _, Owner, Sandbox, current};
use heirloom_tests::test;
use std::future::Future;
use tokio::runtime::Runtime;

/// Whose the running code was.
pub(crate) type Seen = Option<Owner>;

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the test, or of the owner whose code started it.
    Inherited,
    /// Nobody's, although an owner's code started it.
    Lost,
}

/// What is done with the work of a row before it is handed over.
pub(crate) trait Hand: 'static {
    fn future<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static;

    /// For work that stays on its thread.
    fn local<F: Future + 'static>(future: F) -> impl Future<Output = F::Output> + 'static;

    fn closure<F: FnOnce() -> R + Send, R: Send>(closure: F) -> impl FnOnce() -> R + Send;
}

/// As in code that nobody annotated.
pub(crate) struct LeftAlone;

impl Hand for LeftAlone {
    fn future<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        future
    }

    fn local<F: Future + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        future
    }

    fn closure<F: FnOnce() -> R + Send, R: Send>(closure: F) -> impl FnOnce() -> R + Send {
        closure
    }
}

/// With `heirloom::owned` around it.
pub(crate) struct ByHand;

impl Hand for ByHand {
    fn future<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        heirloom::owned(future)
    }

    fn local<F: Future + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        heirloom::owned(future)
    }

    fn closure<F: FnOnce() -> R + Send, R: Send>(closure: F) -> impl FnOnce() -> R + Send {
        heirloom::owned_fn(closure)
    }
}

/// Runs a row that is left alone: in a test, on both kinds of runtime, and elsewhere.
#[track_caller]
pub(crate) fn left_alone<F>(row: fn() -> F, in_a_test: Whose, elsewhere: Whose)
where
    F: Future<Output = Vec<Seen>> + 'static,
{
    check("in a test", in_a_test, on_one_thread(row));
    check("in a test, multi_thread", in_a_test, on_many_threads(row));
    check("elsewhere", elsewhere, on_nobodys_threads(row));
}

/// Runs a row whose work is owned by hand: it is inherited everywhere.
#[track_caller]
pub(crate) fn by_hand<F>(row: fn() -> F)
where
    F: Future<Output = Vec<Seen>> + 'static,
{
    left_alone(row, Whose::Inherited, Whose::Inherited);
}

/// The same for what needs a runtime with several threads.
#[track_caller]
pub(crate) fn left_alone_on_many<F>(row: fn() -> F, in_a_test: Whose, elsewhere: Whose)
where
    F: Future<Output = Vec<Seen>> + 'static,
{
    check("in a test, multi_thread", in_a_test, on_many_threads(row));
    check("elsewhere", elsewhere, on_nobodys_threads(row));
}

#[track_caller]
fn check(place: &str, expected: Whose, (owner, seen): (Owner, Vec<Seen>)) {
    assert!(!seen.is_empty(), "{place}: the row saw nothing");
    for (number, seen) in seen.into_iter().enumerate() {
        let whose = match seen {
            Some(seen) => {
                assert_eq!(seen, owner, "{place}: a stranger's");
                Whose::Inherited
            }
            None => Whose::Lost,
        };
        assert_eq!(whose, expected, "{place}, sighting {number}");
    }
}

fn on_one_thread<F: Future<Output = Vec<Seen>>>(row: fn() -> F) -> (Owner, Vec<Seen>) {
    let mut ran = None;
    let out = &mut ran;
    drop(test("row").run(|sandbox: Sandbox| async move {
        *out = Some((sandbox.owner().clone(), row().await));
        Ok(())
    }));
    ran.expect("it ran")
}

fn on_many_threads<F: Future<Output = Vec<Seen>>>(row: fn() -> F) -> (Owner, Vec<Seen>) {
    let mut ran = None;
    let out = &mut ran;
    let test = test("row").multi_thread().worker_threads(2);
    drop(test.run(|sandbox: Sandbox| async move {
        *out = Some((sandbox.owner().clone(), row().await));
        Ok(())
    }));
    ran.expect("it ran")
}

/// An owner's code on a thread and a runtime that no test has started, as in an actor or a server that works for the
/// owner just now.
fn on_nobodys_threads<F>(row: fn() -> F) -> (Owner, Vec<Seen>)
where
    F: Future<Output = Vec<Seen>> + 'static,
{
    let mut ran = None;
    let out = &mut ran;
    drop(test("row").run(|sandbox: Sandbox| async move {
        let owner = sandbox.owner().clone();
        let thread = std::thread::spawn(move || {
            assert_eq!(current(), None, "or the row proves nothing");
            let nobodys = Runtime::new()?;
            let row = async { row().await }.owned_by(&owner);
            let seen = nobodys.block_on(row);
            nobodys.shutdown_background();
            Ok::<_, std::io::Error>((owner, seen))
        });
        *out = Some(thread.join().expect("no panic")?);
        Ok(())
    }));
    ran.expect("it ran")
}
