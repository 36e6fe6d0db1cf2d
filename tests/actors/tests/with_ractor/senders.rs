//! Messages that somebody else sends, or that are sent without a span: they arrive as nobody's, or as another owner's. An
//! envelope knows the sender all the same.

use super::{DESK, Done, Order, start};
use heirloom::{Envelope, Owner, owned_task};
use heirloom_actors_tests::{REPO, as_test, elsewhere, whose};
use ractor::concurrency::Duration;
use ractor::{Actor, ActorRef, OutputPort, RpcReplyPort, call};
use std::sync::LazyLock;
use tokio::sync::mpsc;

/// Tells whose each message is, and whose what was put in its envelope.
struct Ticks;

#[derive(Clone)]
enum Tick {
    Plain(mpsc::UnboundedSender<Option<String>>),
    InEnvelope(Envelope<mpsc::UnboundedSender<Option<String>>>),
}

impl Actor for Ticks {
    type Msg = Tick;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Tick>, (): ()) -> Done {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Tick>, tick: Tick, (): &mut ()) -> Done {
        match tick {
            Tick::Plain(tell) => tell.send(whose()),
            Tick::InEnvelope(envelope) => envelope.handle(async |tell| tell.send(whose())).await,
        }
        .ok();
        Ok(())
    }
}

static TICKS: LazyLock<ActorRef<Tick>> = LazyLock::new(|| start(Actor::spawn(None, Ticks, ())));

/// Whose the messages are that arrive in this way, elsewhere: plain, and in an envelope.
fn arrives<K: Send>(
    name: &str,
    by: impl Fn(Tick) -> K + Send + 'static,
) -> (Option<String>, Option<String>) {
    as_test(name, |_| {
        elsewhere(async move {
            let (tell, mut told) = mpsc::unbounded_channel();
            let kept = by(Tick::Plain(tell));
            let plain = told.recv().await.expect("it arrives");
            drop(kept);
            let (tell, mut told) = mpsc::unbounded_channel();
            let kept = by(Tick::InEnvelope(Envelope::standing(tell)));
            let enveloped = told.recv().await.expect("it arrives");
            drop(kept);
            (plain, enveloped)
        })
    })
}

#[test]
fn a_message_that_a_timer_sends_needs_an_envelope() {
    let after = arrives("after", |tick| {
        TICKS.send_after(Duration::ZERO, move || tick)
    });
    assert_eq!(after, (None, Some("after".to_owned())));

    let every = arrives("every", |tick| {
        TICKS.send_interval(Duration::from_millis(1), move || tick.clone())
    });
    assert_eq!(every, (None, Some("every".to_owned())));
}

#[test]
fn an_answer_that_is_forwarded_needs_an_envelope() {
    let forwarded = arrives("forwarded", |tick| {
        DESK.call_and_forward(Order::Whose, &TICKS, move |_| tick, None)
            .expect("it runs")
    });
    assert_eq!(forwarded, (None, Some("forwarded".to_owned())));
}

#[test]
fn what_an_output_port_sends_needs_an_envelope() {
    let published = arrives("published", |tick| {
        let port = OutputPort::default();
        port.subscribe(TICKS.clone(), Some);
        port.send(tick);
        port // its subscriptions end with it
    });
    assert_eq!(published, (None, Some("published".to_owned())));
}

/// Sends a plain message and one in an envelope, from here.
fn send(tell: &mpsc::UnboundedSender<Option<String>>) {
    let envelope = Envelope::new(tell.clone());
    TICKS.cast(Tick::Plain(tell.clone())).expect("it runs");
    TICKS.cast(Tick::InEnvelope(envelope)).expect("it runs");
}

#[test]
fn whoever_is_in_no_span_needs_an_envelope() {
    let (plain, enveloped) = as_test("in_no_span", |owner| async move {
        let (tell, mut told) = mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || {
            let _scope = owner.enter();
            send(&tell);
        });
        thread.join().expect("no panic");
        (told.recv().await, told.recv().await)
    });
    assert_eq!(plain, Some(None));
    assert_eq!(enveloped, Some(Some("in_no_span".to_owned())));
}

#[test]
fn a_task_that_nobody_annotated_is_in_the_tests_span() {
    let (plain, enveloped) = as_test("not_annotated", |_| async {
        let (tell, mut told) = mpsc::unbounded_channel();
        let sends = tokio::spawn(async move {
            assert_eq!(whose().as_deref(), Some("not_annotated"), "by its thread");
            send(&tell);
        });
        sends.await.expect("no panic");
        (told.recv().await, told.recv().await)
    });
    let seen = Some(Some("not_annotated".to_owned()));
    assert_eq!((&plain, &enveloped), (&seen, &seen));
}

#[test]
fn a_span_made_in_a_scope_takes_the_scopes_owner_along() {
    let (plain, in_a_span) = as_test("around", |_| async {
        let import = Owner::start("import").repo(&REPO).await.expect("it starts");
        let scope = import.enter();
        let (tell, mut told) = mpsc::unbounded_channel();
        TICKS.cast(Tick::Plain(tell.clone())).expect("it runs");
        let span = tracing::error_span!("import");
        span.in_scope(|| TICKS.cast(Tick::Plain(tell)).expect("it runs"));
        drop(scope);
        let seen = (told.recv().await, told.recv().await);
        import.stop().await.expect("it stops");
        seen
    });
    assert_eq!(
        plain,
        Some(Some("around".to_owned())),
        "its span is the test's"
    );
    assert_eq!(in_a_span, Some(Some("import".to_owned())));
}

/// Does what it is asked in a task of its own.
struct Delegates;

#[owned_task]
impl Actor for Delegates {
    type Msg = RpcReplyPort<Option<String>>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Done {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Self::Msg>, answer: Self::Msg, (): &mut ()) -> Done {
        Ok(tokio::spawn(async move { answer.send(whose()) }).await??)
    }
}

/// The same, and nobody annotated it.
struct Untouched;

impl Actor for Untouched {
    type Msg = RpcReplyPort<Option<String>>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Done {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Self::Msg>, answer: Self::Msg, (): &mut ()) -> Done {
        Ok(tokio::spawn(async move { answer.send(whose()) }).await??)
    }
}

#[test]
fn work_that_a_handler_spawns_needs_an_annotation() {
    let annotated = start(Actor::spawn(None, Delegates, ()));
    let untouched = start(Actor::spawn(None, Untouched, ()));
    let seen = as_test("delegates", |_| async {
        let annotated = call!(annotated, |answer| answer).expect("an answer");
        let untouched = call!(untouched, |answer| answer).expect("an answer");
        (annotated, untouched)
    });
    assert_eq!(seen, (Some("delegates".to_owned()), None));
}
