//! Where a filter drops every span, spans carry nothing: ractor's and kameo's messages arrive as nobody's. An envelope
//! carries the owner itself. A binary of its own: it sets the subscriber.

use heirloom::{Envelope, owned_task};
use heirloom_actors_tests::{as_test, nobodys, whose};
use kameo::prelude::{ActorRef as KameoRef, Context, Message, Spawn as _};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use std::sync::Once;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

type Whose = Option<String>;

/// As an application that wants no logs: the filter is on the whole subscriber.
fn everything_is_filtered() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let registry = tracing_subscriber::registry().with(heirloom::layer());
        registry.with(LevelFilter::OFF).init();
    });
}

struct Desk;

impl Actor for Desk {
    type Msg = (Envelope<()>, RpcReplyPort<[Whose; 2]>);
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (envelope, answer): Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let inside = envelope.handle(async |()| whose()).await;
        Ok(answer.send([whose(), inside])?)
    }
}

#[test]
fn ractors_messages_need_envelopes() {
    everything_is_filtered();
    let spawned = nobodys().block_on(Actor::spawn(None, Desk, ()));
    let (desk, _) = spawned.expect("it starts");
    let seen = as_test("filtered", |_| async {
        call!(desk, |answer| (Envelope::new(()), answer)).expect("an answer")
    });
    assert_eq!(seen, [None, Some("filtered".to_owned())]);
}

#[derive(kameo::Actor)]
struct Office;

impl Message<Envelope<()>> for Office {
    type Reply = Result<[Whose; 2], std::convert::Infallible>;

    async fn handle(
        &mut self,
        envelope: Envelope<()>,
        _: &mut Context<Self, Self::Reply>,
    ) -> Self::Reply {
        let inside = envelope.handle(async |()| whose()).await;
        Ok([whose(), inside])
    }
}

#[test]
fn kameos_messages_need_envelopes() {
    everything_is_filtered();
    let office: KameoRef<Office> = {
        let _there = nobodys().enter();
        Office::spawn(Office)
    };
    let seen = as_test("filtered", |_| async {
        office.ask(Envelope::new(())).await.expect("an answer")
    });
    assert_eq!(seen, [None, Some("filtered".to_owned())]);
}

#[test]
fn an_owned_task_needs_nothing() {
    #[owned_task]
    async fn seen() -> Whose {
        nobodys().spawn(async { whose() }).await.expect("no panic")
    }
    everything_is_filtered();
    let seen = as_test("filtered", |_| seen());
    assert_eq!(seen.as_deref(), Some("filtered"));
}
