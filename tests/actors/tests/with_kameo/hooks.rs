//! An actor's own hooks: whose they are, by where the actor lives, and how they become somebody's.

use heirloom::Envelope;
use heirloom_actors_tests::{as_test, elsewhere, whose};
use kameo::error::Infallible;
use kameo::prelude::*;
use tokio::sync::mpsc;

type Tell = mpsc::UnboundedSender<Seen>;

type Seen = (&'static str, Option<String>);

/// Tells whose each of its hooks is.
struct Watched(Tell);

impl Watched {
    fn tells(&self, hook: &'static str) {
        self.0.send((hook, whose())).ok();
    }
}

impl Actor for Watched {
    type Args = Tell;
    type Error = Infallible;

    async fn on_start(tell: Tell, _: ActorRef<Self>) -> Result<Self, Infallible> {
        let started = Self(tell);
        started.tells("on_start");
        Ok(started)
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), Infallible> {
        self.tells("on_stop");
        Ok(())
    }
}

impl Message<()> for Watched {
    type Reply = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self, ()>) {
        self.tells("handle");
    }
}

/// The whole life of a watched actor, started and used by the caller.
async fn life() -> Vec<Seen> {
    let (tell, told) = mpsc::unbounded_channel();
    let actor = Watched::spawn(tell);
    actor.tell(()).await.expect("it runs");
    ends(actor, told).await
}

async fn ends<A: Actor>(actor: ActorRef<A>, mut told: mpsc::UnboundedReceiver<Seen>) -> Vec<Seen> {
    actor.stop_gracefully().await.expect("it runs");
    actor.wait_for_shutdown().await;
    told.close();
    let mut seen = Vec::new();
    while let Some(hook) = told.recv().await {
        seen.push(hook);
    }
    seen
}

const HOOKS: [&str; 3] = ["on_start", "handle", "on_stop"];

#[test]
fn on_the_tests_own_runtime_every_hook_inherits() {
    let seen = as_test("hooks_at_home", |_| life());
    let me = || Some("hooks_at_home".to_owned());
    assert_eq!(seen, HOOKS.map(|hook| (hook, me())));
}

#[test]
fn elsewhere_only_messages_inherit() {
    let seen = as_test("hooks_elsewhere", |_| elsewhere(life()));
    let me = Some("hooks_elsewhere".to_owned());
    assert_eq!(
        seen,
        [("on_start", None), ("handle", me), ("on_stop", None)]
    );
}

/// An actor that keeps who started it, among its arguments, and does in its hooks as that one.
struct Kept(Envelope<Tell>);

impl Actor for Kept {
    type Args = Envelope<Tell>;
    type Error = mpsc::error::SendError<Seen>;

    async fn on_start(starter: Self::Args, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        let begun = starter.clone().handle(async |tell| {
            tokio::task::yield_now().await;
            tell.send(("on_start", whose()))
        });
        begun.await?;
        Ok(Self(starter))
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), Self::Error> {
        let stop = self.0.clone();
        stop.open(|tell| tell.send(("on_stop", whose())))
    }
}

#[test]
fn an_envelope_among_the_arguments_serves_every_hook() {
    let seen = as_test("kept", |_| {
        elsewhere(async {
            let (tell, told) = mpsc::unbounded_channel();
            ends(Kept::spawn(Envelope::standing(tell)), told).await
        })
    });
    let me = || Some("kept".to_owned());
    assert_eq!(seen, ["on_start", "on_stop"].map(|hook| (hook, me())));
}
