//! What an actor is told that was born in one test and is asked by another, without any context.

use heirloom::{Error, FutureExt as _, Owner};
use heirloom_actors_tests::{REPO, as_test, count, nobodys, ours};
use tokio::sync::{mpsc, oneshot};

type Ask = mpsc::UnboundedSender<oneshot::Sender<sqlx::Result<i64>>>;

/// An actor that belongs to whoever starts it, and outlives its test: the mistake.
fn start() -> Ask {
    let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<_>>();
    let counts = async move {
        while let Some(answer) = asked.recv().await {
            answer.send(count(&REPO).await).ok();
        }
    };
    // Told apart from the test's own threads, in the text.
    nobodys().spawn(counts.owned());
    ask
}

async fn told(ask: &Ask) -> String {
    let (answer, answered) = oneshot::channel();
    ask.send(answer).expect("it listens");
    let error = answered
        .await
        .expect("an answer")
        .expect_err("not its test");
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
