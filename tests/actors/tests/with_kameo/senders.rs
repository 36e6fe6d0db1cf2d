//! Messages that somebody else sends, or that are sent without a span, and work that a handler hands on.

use super::start;
use heirloom::{Envelope, owned_task};
use heirloom_actors_tests::{as_test, elsewhere, whose};
use kameo::message::StreamMessage;
use kameo::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::mpsc;

type Whose = Option<String>;

/// Tells whose each message is, and whose what was put in its envelope.
#[derive(Actor)]
struct Ticks;

enum Tick {
    Plain(mpsc::UnboundedSender<Whose>),
    InEnvelope(Envelope<mpsc::UnboundedSender<Whose>>),
}

impl Message<Tick> for Ticks {
    type Reply = ();

    async fn handle(&mut self, tick: Tick, _: &mut Context<Self, ()>) {
        match tick {
            Tick::Plain(tell) => tell.send(whose()),
            Tick::InEnvelope(envelope) => envelope.handle(async |tell| tell.send(whose())).await,
        }
        .expect("somebody listens");
    }
}

impl Message<StreamMessage<Tick, (), ()>> for Ticks {
    type Reply = ();

    async fn handle(
        &mut self,
        item: StreamMessage<Tick, (), ()>,
        ctx: &mut Context<Self, ()>,
    ) -> Self::Reply {
        if let StreamMessage::Next(tick) = item {
            Message::<Tick>::handle(self, tick, ctx).await;
        }
    }
}

static TICKS: LazyLock<ActorRef<Ticks>> = LazyLock::new(|| start(Ticks));

/// A plain message, one in an envelope, and where it is told whose they were.
fn ticks() -> ([Tick; 2], mpsc::UnboundedReceiver<Whose>) {
    let (tell, told) = mpsc::unbounded_channel();
    let envelope = Envelope::new(tell.clone());
    ([Tick::Plain(tell), Tick::InEnvelope(envelope)], told)
}

async fn all(mut told: mpsc::UnboundedReceiver<Whose>) -> Vec<Whose> {
    let mut all = Vec::new();
    while let Some(one) = told.recv().await {
        all.push(one);
    }
    all
}

#[test]
fn a_message_that_is_sent_later_is_the_senders() {
    let seen = as_test("later", |_| {
        elsewhere(async {
            let (ticks, told) = ticks();
            for tick in ticks {
                let sent = TICKS.tell(tick).send_after(Duration::ZERO);
                sent.await.expect("no panic").expect("it runs");
            }
            all(told).await
        })
    });
    assert_eq!(seen, vec![Some("later".to_owned()); 2]);
}

#[test]
fn what_comes_from_a_stream_needs_envelopes() {
    let seen = as_test("stream", |_| {
        elsewhere(async {
            let (ticks, told) = ticks();
            let stream = futures_util::stream::iter(ticks);
            let attached = TICKS.attach_stream(stream, (), ());
            drop(attached.await.expect("no panic").expect("it runs"));
            all(told).await
        })
    });
    assert_eq!(seen, [None, Some("stream".to_owned())]);
}

#[test]
fn whoever_is_in_no_span_needs_an_envelope() {
    let seen = as_test("in_no_span", |owner| async move {
        let (ticks, told) = ticks();
        let thread = std::thread::spawn(move || {
            let _scope = owner.enter();
            for tick in ticks {
                TICKS.tell(tick).try_send().expect("it runs");
            }
        });
        thread.join().expect("no panic");
        all(told).await
    });
    assert_eq!(seen, [None, Some("in_no_span".to_owned())]);
}

#[test]
fn a_task_that_nobody_annotated_is_in_the_tests_span() {
    let seen = as_test("not_annotated", |_| async {
        let (ticks, told) = ticks();
        let sends = tokio::spawn(async {
            assert_eq!(whose().as_deref(), Some("not_annotated"), "by its thread");
            for tick in ticks {
                TICKS.tell(tick).await.expect("it runs");
            }
        });
        sends.await.expect("no panic");
        all(told).await
    });
    let whose = Some("not_annotated".to_owned());
    assert_eq!(seen, [whose.clone(), whose]);
}

/// Hands what it is asked on to a task of its own.
#[derive(Actor)]
struct Delegates;

struct Untouched;

impl Message<Untouched> for Delegates {
    type Reply = DelegatedReply<Whose>;

    async fn handle(&mut self, _: Untouched, ctx: &mut Context<Self, Self::Reply>) -> Self::Reply {
        ctx.spawn(async { whose() })
    }
}

struct Annotated;

#[owned_task]
impl Message<Annotated> for Delegates {
    type Reply = DelegatedReply<Whose>;

    async fn handle(&mut self, _: Annotated, ctx: &mut Context<Self, Self::Reply>) -> Self::Reply {
        ctx.spawn(async { whose() })
    }
}

#[test]
fn work_that_a_handler_spawns_needs_an_annotation() {
    static DELEGATES: LazyLock<ActorRef<Delegates>> = LazyLock::new(|| start(Delegates));
    let seen = as_test("delegates", |_| async {
        let untouched = DELEGATES.ask(Untouched).await.expect("an answer");
        let annotated = DELEGATES.ask(Annotated).await.expect("an answer");
        (untouched, annotated)
    });
    assert_eq!(seen, (None, Some("delegates".to_owned())));
}
