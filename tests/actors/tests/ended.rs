//! What an actor is told that was born in one test and is asked by another, without any context.

use heirloom::{Error, FutureExt as _, Owner, owned_task};
use heirloom_actors_tests::{REPO, as_test, count, insert, nobodys, ours};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

type Answer = oneshot::Sender<sqlx::Result<i64>>;

type Ask = mpsc::UnboundedSender<Answer>;

/// An actor that belongs to whoever starts it, and outlives its test: the mistake. It has a name, else it would end with the
/// test.
fn start() -> Ask {
    let (ask, asked) = mpsc::unbounded_channel();
    // Told apart from the test's own threads, in the text.
    nobodys().spawn(counts(asked).owned().named("desk"));
    ask
}

async fn counts(mut asked: mpsc::UnboundedReceiver<Answer>) {
    while let Some(answer) = asked.recv().await {
        answer.send(count(&REPO).await).ok();
    }
}

async fn asked(ask: &Ask) -> sqlx::Result<i64> {
    let (answer, answered) = oneshot::channel();
    ask.send(answer).expect("it listens");
    answered.await.expect("an answer")
}

async fn told(ask: &Ask) -> String {
    let error = asked(ask).await.expect_err("not its test");
    assert!(matches!(ours(&error), Error::OwnerEnded { .. }), "{error}");
    ours(&error).to_string()
}

/// The text with what differs from run to run left out.
fn lasting(text: &str) -> String {
    let mut lasting = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        lasting.push_str(&rest[..start]);
        lasting.push('#');
        let number = |c: char| c.is_ascii_digit() || c == '.';
        rest = rest[start..].trim_start_matches(number);
        for unit in ["ns", "µs", "ms", "s"] {
            rest = rest.strip_prefix(unit).unwrap_or(rest);
        }
    }
    lasting + rest
}

#[test]
fn an_actor_of_a_test_that_has_ended_is_told_which_and_what_to_write() {
    let ask = as_test("story::starts_the_actor", |_| async { start() });
    let text = as_test("story::asks_it", |_| async { told(&ask).await });
    assert_eq!(lasting(&text), include_str!("ended/test.txt").trim_end());
}

#[owned_task]
fn start_a_task() -> (Ask, JoinHandle<()>) {
    let (ask, asked) = mpsc::unbounded_channel();
    (ask, nobodys().spawn(counts(asked)))
}

#[test]
fn a_task_without_a_name_ends_with_its_test_and_says_so_to_whoever_joins_it() {
    let (gone, task) = as_test("story::starts_a_task", |_| async { start_a_task() });
    let (answer, _) = oneshot::channel();
    assert!(gone.send(answer).is_err());
    let error = as_test("story::joins_it", |_| async {
        task.await.expect_err("ended")
    });
    let text = error.to_string();
    let told = "aborted by heirloom: its owner `story::starts_a_task` has ended";
    assert!(text.contains(told), "{text}");
}

#[test]
fn an_actor_of_an_owner_that_was_stopped_is_told_by_whom_and_what_to_write() {
    // The text names the thread, which for libtest depends on how many there are.
    let thread = std::thread::Builder::new().name("story".to_owned());
    let story = thread.spawn(|| {
        as_test("story::stops_the_owner", |_| async {
            let import = Owner::start("import").repo(&REPO).await.expect("it starts");
            let ask = async { start() }.owned_by(&import).await;
            import.stop().await.expect("it stops");
            told(&ask).await
        })
    });
    let text = story.expect("a thread").join().expect("no panic");
    assert_eq!(lasting(&text), include_str!("ended/owner.txt").trim_end());
}

#[test]
fn an_actor_of_a_running_test_takes_plain_messages_for_that_tests() {
    let guests = as_test("starts_the_actor", |_| async {
        let ask = start();
        insert(&REPO, "ada@example.org").await.expect("a session");
        as_other("asks_it", move || async move { asked(&ask).await })
    });
    assert_eq!(guests.expect("a session"), 1, "the first test's");
}

#[test]
fn an_actor_that_is_nobodys_never_takes_a_plain_message_for_somebodys() {
    #[owned_task]
    fn start() -> Ask {
        let (ask, asked) = mpsc::unbounded_channel();
        #[unowned("serves every test")]
        nobodys().spawn(counts(asked));
        ask
    }
    let errors = as_test("starts_the_actor", |_| async {
        let ask = start();
        let other = ask.clone();
        let by_other = as_other("asks_it", move || async move { asked(&other).await });
        [asked(&ask).await, by_other]
    });
    for error in errors {
        let error = error.expect_err("nobody's");
        assert!(matches!(ours(&error), Error::Ownership { .. }), "{error}");
        assert!(error.to_string().contains("serves every test"), "{error}");
    }
}

/// Runs a second test while the first one runs, on a thread of its own: tests do not nest.
fn as_other<R, F>(name: &str, body: impl FnOnce() -> F + Send) -> R
where
    R: Send,
    F: Future<Output = R>,
{
    std::thread::scope(|scope| {
        let other = scope.spawn(|| as_test(name, |_| body()));
        other.join().expect("no panic")
    })
}
