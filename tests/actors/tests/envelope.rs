//! A tokio actor that is started once and serves every test, each message under its sender's owner.

use heirloom::{Envelope, Error, FutureExt as _, owned_task, sandboxed};
use heirloom_actors_tests::{REPO, as_test, at_once, count, insert, nobodys, ours, sign_up, whose};
use std::sync::{LazyLock, mpsc as threads};
use tokio::runtime::Builder;
use tokio::sync::{broadcast, mpsc, oneshot};

struct SignUp {
    email: String,
    answer: oneshot::Sender<sqlx::Result<i64>>,
}

type Desk = mpsc::UnboundedSender<Envelope<SignUp>>;

/// Started by whoever comes first, on a runtime that is nobody's; it belongs to nobody and lives as long as the process.
static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let (desk, inbox) = mpsc::unbounded_channel();
    nobodys().spawn(serve(inbox));
    desk
});

async fn serve(mut inbox: mpsc::UnboundedReceiver<Envelope<SignUp>>) {
    let mut served = 0;
    while let Some(envelope) = inbox.recv().await {
        let handled = envelope.handle(async |SignUp { email, answer }| {
            served += 1; // the actor's own state is at hand
            answer.send(sign_up(&email).await).ok();
        });
        handled.await;
    }
}

async fn ask(desk: &Desk, email: &str) -> sqlx::Result<i64> {
    let email = email.to_owned();
    let (answer, answered) = oneshot::channel();
    let sent = desk.send(Envelope::new(SignUp { email, answer }));
    sent.expect("the desk is open");
    answered.await.expect("an answer")
}

#[test]
fn one_actor_serves_many_tests_at_once_and_each_sees_its_own_rows() {
    const MESSAGES: i64 = 400;
    at_once("one_actor", |_| async {
        for number in 1..=MESSAGES {
            // The same addresses in every test: in one database the second would be refused.
            let guests = ask(&DESK, &format!("{number}@example.org")).await?;
            assert_eq!(guests, number);
        }
        assert_eq!(count(&REPO).await?, MESSAGES);
        Ok(())
    });
}

#[test]
fn messages_that_are_handled_at_the_same_time_stay_apart() {
    static MANY_HANDS: LazyLock<Desk> = LazyLock::new(|| {
        let (desk, mut inbox) = mpsc::unbounded_channel::<Envelope<SignUp>>();
        nobodys().spawn(async move {
            while let Some(envelope) = inbox.recv().await {
                tokio::spawn(envelope.handle(|SignUp { email, answer }| async move {
                    answer.send(sign_up(&email).await).ok();
                }));
            }
        });
        desk
    });
    const MESSAGES: usize = 100;
    at_once("many_hands", |_| async {
        let ask = |number| async move { ask(&MANY_HANDS, &format!("{number}@example.org")).await };
        let asked: Vec<_> = (0..MESSAGES)
            .map(|n| tokio::spawn(ask(n).owned()))
            .collect();
        let mut most = 0;
        for answer in asked {
            most = most.max(answer.await.expect("no panic")?);
        }
        assert_eq!(most, i64::try_from(MESSAGES).expect("few"));
        Ok(())
    });
}

#[test]
fn an_actor_on_a_thread_opens_its_messages() {
    type Asked = Envelope<threads::Sender<Option<String>>>;
    static THREAD: LazyLock<threads::Sender<Asked>> = LazyLock::new(|| {
        let (ask, asked) = threads::channel::<Asked>();
        std::thread::spawn(move || {
            for envelope in asked {
                envelope.open(|answer| answer.send(whose()).ok());
            }
        });
        ask
    });
    at_once("on_a_thread", |number| async move {
        let (answer, answered) = threads::channel();
        THREAD.send(Envelope::new(answer)).expect("it listens");
        let seen = answered.recv().expect("an answer");
        assert_eq!(seen, Some(format!("on_a_thread_{number}")));
        Ok(())
    });
}

#[test]
fn what_a_handler_spawns_is_the_senders() {
    #[owned_task]
    async fn handle((): ()) -> Option<String> {
        tokio::spawn(async { whose() }).await.expect("no panic")
    }
    let envelope = as_test("sends", |_| async { Envelope::standing(()) });
    assert_eq!(
        nobodys().block_on(envelope.handle(handle)).as_deref(),
        Some("sends")
    );
}

#[test]
fn what_a_handler_does_before_it_awaits_is_the_senders() {
    let envelope = as_test("sends", |_| async { Envelope::standing(()) });
    let handled = envelope.handle(|()| std::future::ready(whose()));
    assert_eq!(nobodys().block_on(handled).as_deref(), Some("sends"));
}

/// Tells whose it is when it is dropped.
struct Told(threads::Sender<Option<String>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send(whose()).expect("somebody listens");
    }
}

#[test]
fn a_message_that_nobody_handles_is_dropped_as_the_senders() {
    let (told, tell) = threads::channel();
    let (unopened, unpolled, cancelled) = as_test("sends", |_| async {
        let envelope = || Envelope::standing(Told(told.clone()));
        (envelope(), envelope(), envelope())
    });
    drop(unopened);
    drop(unpolled.handle(async |message| drop(message)));
    nobodys().block_on(async {
        let mut handled = Box::pin(cancelled.handle(async |message| {
            std::future::pending::<()>().await;
            drop(message);
        }));
        let pending = std::future::poll_fn(|cx| handled.as_mut().poll(cx).is_pending().into());
        assert!(pending.await, "it waits for ever");
    });
    drop(told);
    let seen: Vec<_> = tell.iter().collect();
    assert_eq!(seen, vec![Some("sends".to_owned()); 3]);
}

#[test]
fn who_looks_at_a_message_or_takes_it_out_does_so_as_themselves() {
    let envelope = as_test("sends", |_| async { Envelope::standing(whose) });
    as_test("looks", |_| async {
        assert_eq!((envelope.message())().as_deref(), Some("looks"));
        let message = envelope.into_inner();
        assert_eq!(message().as_deref(), Some("looks"));
    });
}

#[test]
fn every_copy_has_the_sender_of_the_first() {
    let (tell, mut one) = broadcast::channel(1);
    let mut other = tell.subscribe();
    as_test("sends", |_| async {
        tell.send(Envelope::standing(())).expect("somebody listens");
    });
    for inbox in [&mut one, &mut other] {
        let envelope = inbox.try_recv().expect("sent");
        assert_eq!(envelope.open(|()| whose()).as_deref(), Some("sends"));
    }
}

#[test]
fn an_actor_of_one_test_works_for_another_and_after_its_own_has_ended() {
    let desk = as_test("starts_it", |_| async {
        let (desk, inbox) = mpsc::unbounded_channel();
        // Without a name it would end with this test.
        nobodys().spawn(serve(inbox).owned().named("desk"));
        assert_eq!(ask(&desk, "ada@example.org").await.expect("a session"), 1);
        desk
    });
    for name in ["comes_later", "comes_last"] {
        as_test(name, |_| async {
            assert_eq!(ask(&desk, "ada@example.org").await.expect("a session"), 1);
        });
    }
}

#[test]
fn a_message_of_nobody_is_the_actors_own() {
    let message = Envelope::new(());
    as_test("handles", |_| async {
        let handled = message.handle(async |()| whose()).await;
        assert_eq!(handled.as_deref(), Some("handles"));
    });
}

#[test]
fn a_message_whose_sender_has_ended_is_an_error_that_names_the_sender() {
    let late = as_test("story::goes_home", |_| async {
        Envelope::standing("ada@example.org")
    });
    as_test("story::stays", |_| async {
        let error = late.handle(sign_up).await.expect_err("it has ended");
        assert!(matches!(ours(&error), Error::OwnerEnded { ended, .. }
            if ended.owner == "story::goes_home"));
        assert_eq!(count(&REPO).await.expect("a session"), 0);
    });
}

#[test]
fn a_handler_that_panics_leaves_nothing_entered() {
    let envelope = as_test("panics", |_| async { Envelope::standing(()) });
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let handled = runtime.spawn(envelope.handle(async |()| panic!("{:?}", whose())));
    let panic = runtime.block_on(handled).expect_err("a panic").into_panic();
    let text = panic.downcast::<String>().expect("text");
    assert_eq!(*text, "Some(\"panics\")");
    assert_eq!(runtime.block_on(async { whose() }), None);
}

#[sandboxed]
async fn an_actor_per_test_needs_no_envelope() -> sqlx::Result<()> {
    #[owned_task]
    fn start() -> mpsc::UnboundedSender<SignUp> {
        let (desk, mut inbox) = mpsc::unbounded_channel::<SignUp>();
        nobodys().spawn(async move {
            while let Some(SignUp { email, answer }) = inbox.recv().await {
                answer.send(sign_up(&email).await).ok();
            }
        });
        desk
    }
    let desk = start();
    let (answer, answered) = oneshot::channel();
    let email = "ada@example.org".to_owned();
    let sent = desk.send(SignUp { email, answer });
    assert!(sent.is_ok(), "it listens");
    assert_eq!(answered.await.expect("an answer")?, 1);
    insert(&REPO, "grace@example.org").await?;
    assert_eq!(count(&REPO).await?, 2);
    Ok(())
}
