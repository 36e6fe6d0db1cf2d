//! Names for the outside world: the same for all that is a test's, different for everybody else.

use heirloom::{Sandbox, sandboxed, scoped_name};
use heirloom_tests::{nobodys, test};
use std::collections::HashSet;
use std::sync::Mutex;

#[sandboxed]
async fn whatever_a_test_sets_off_has_the_tests_name(sandbox: Sandbox) {
    let topic = sandbox.scoped_name("entries");
    assert!(topic.starts_with("entries-"), "{topic}");
    let in_a_task = tokio::spawn(async { scoped_name("entries").into_owned() });
    assert_eq!(in_a_task.await.expect("no panic"), topic);
    let on_a_thread = std::thread::spawn(|| scoped_name("entries").into_owned());
    assert_eq!(on_a_thread.join().expect("no panic"), topic);
    assert_eq!(sandbox.owner().scoped_name("entries"), topic);
}

#[test]
fn no_two_tests_have_the_same_name() {
    let names = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                drop(test("names::one").run(async |sandbox: Sandbox| {
                    let name = sandbox.scoped_name("entries");
                    assert!(names.lock().expect("no panic").insert(name));
                    Ok(())
                }));
            });
        }
    });
    assert_eq!(names.into_inner().expect("no panic").len(), 20);
}

#[test]
fn nobodys_code_has_the_word_itself_but_in_a_test_that_is_shared() {
    let nobodys_name = || {
        let task = nobodys().spawn(async { scoped_name("entries").into_owned() });
        nobodys().block_on(task).expect("no panic")
    };
    assert_eq!(nobodys_name(), "entries");
    let shared = test("names::shared").shared();
    drop(shared.run(async |sandbox: Sandbox| {
        let task = nobodys().spawn(async { scoped_name("entries").into_owned() });
        assert_eq!(task.await?, sandbox.scoped_name("entries"));
        Ok(())
    }));
    assert_eq!(nobodys_name(), "entries");
}
