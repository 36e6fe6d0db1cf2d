//! An actor's own hooks: whose they are, by where the actor lives, and how they become somebody's.

use super::{Desk, Done};
use heirloom::Envelope;
use heirloom_actors_tests::{as_test, elsewhere, whose};
use ractor::{Actor, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;

/// Tells whose each of its hooks is.
#[derive(Clone, Default)]
struct Watched(Option<mpsc::UnboundedSender<Seen>>);

type Seen = (&'static str, Option<String>);

impl Watched {
    fn tells(&self, hook: &'static str) {
        let tell = self.0.as_ref().expect("it was given one");
        tell.send((hook, whose())).ok();
    }
}

impl Actor for Watched {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Done {
        self.tells("pre_start");
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> Done {
        self.tells("post_start");
        Ok(())
    }

    async fn handle(&self, _: ActorRef<()>, (): (), (): &mut ()) -> Done {
        self.tells("handle");
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Done {
        if matches!(event, SupervisionEvent::ActorStarted(_)) {
            self.tells("handle_supervisor_evt");
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<()>, (): &mut ()) -> Done {
        self.tells("post_stop");
        Ok(())
    }
}

/// The whole life of a watched actor, started and used by the caller.
async fn life() -> Vec<Seen> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let spawned = Actor::spawn(None, Watched(Some(tell)), ()).await;
    let (actor, task) = spawned.expect("it starts");
    let linked = Actor::spawn_linked(None, Desk, (), actor.get_cell()).await;
    let (child, _) = linked.expect("it starts");
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(told.recv().await.expect("it goes on"));
    }
    actor.cast(()).expect("it runs");
    child.stop(None);
    actor.drain_and_wait(None).await.expect("it stops");
    task.await.expect("no panic");
    told.close();
    while let Some(hook) = told.recv().await {
        seen.push(hook);
    }
    seen
}

const HOOKS: [&str; 5] = [
    "pre_start",
    "post_start",
    "handle_supervisor_evt",
    "handle",
    "post_stop",
];

/// The hooks that belong to this test; the others are nobody's.
fn of(test: &str, seen: &[Seen]) -> Vec<&'static str> {
    let hooks: Vec<_> = seen.iter().map(|(hook, _)| *hook).collect();
    assert_eq!(hooks, HOOKS);
    let owned = seen.iter().filter(|(_, owner)| owner.is_some());
    owned
        .map(|(hook, owner)| {
            assert_eq!(owner.as_deref(), Some(test));
            *hook
        })
        .collect()
}

#[test]
fn on_the_tests_own_runtime_every_hook_inherits() {
    let seen = as_test("hooks_at_home", |_| life());
    assert_eq!(of("hooks_at_home", &seen), HOOKS);
}

#[test]
fn elsewhere_only_pre_start_and_messages_inherit() {
    let seen = as_test("hooks_elsewhere", |_| elsewhere(life()));
    assert_eq!(of("hooks_elsewhere", &seen), ["pre_start", "handle"]);
}

#[test]
fn an_actor_that_starts_instantly_elsewhere_starts_as_nobodys() {
    let seen = as_test("instantly", |_| {
        elsewhere(async {
            let (tell, mut told) = mpsc::unbounded_channel();
            let spawned = ractor::ActorRuntime::spawn_instant(None, Watched(Some(tell)), ());
            let (actor, _) = spawned.expect("it starts");
            actor.cast(()).expect("it runs");
            let mut seen = Vec::new();
            while seen.len() < 3 {
                seen.push(told.recv().await.expect("it goes on"));
            }
            actor.stop(None);
            seen
        })
    });
    let me = Some("instantly".to_owned());
    assert_eq!(
        seen,
        [("pre_start", None), ("post_start", None), ("handle", me)]
    );
}

/// An actor that keeps who started it, among its arguments, and does in its hooks as that one.
struct Kept;

impl Actor for Kept {
    type Msg = ();
    type State = Envelope<mpsc::UnboundedSender<Seen>>;
    type Arguments = Self::State;

    async fn pre_start(&self, _: ActorRef<()>, starter: Self::State) -> Done<Self::State> {
        let start = starter.clone();
        start.open(|tell| tell.send(("pre_start", whose())))?;
        Ok(starter)
    }

    async fn post_start(&self, _: ActorRef<()>, starter: &mut Self::State) -> Done {
        let begun = starter.clone().handle(async |tell| {
            tokio::task::yield_now().await;
            tell.send(("post_start", whose()))
        });
        Ok(begun.await?)
    }

    async fn post_stop(&self, _: ActorRef<()>, starter: &mut Self::State) -> Done {
        let stop = starter.clone();
        let stopped = stop.handle(async |tell| tell.send(("post_stop", whose())));
        Ok(stopped.await?)
    }
}

#[test]
fn an_envelope_among_the_arguments_serves_every_hook() {
    let seen = as_test("kept", |_| {
        elsewhere(async {
            let (tell, mut told) = mpsc::unbounded_channel();
            let starter = Envelope::standing(tell);
            let spawned = ractor::ActorRuntime::spawn_instant(None, Kept, starter);
            let (actor, task) = spawned.expect("it starts");
            let task = task.await.expect("no panic").expect("it starts");
            actor.stop(None);
            task.await.expect("no panic");
            let mut seen = Vec::new();
            while let Some(hook) = told.recv().await {
                seen.push(hook);
            }
            seen
        })
    });
    let me = || Some("kept".to_owned());
    let hooks = ["pre_start", "post_start", "post_stop"];
    assert_eq!(seen, hooks.map(|hook| (hook, me())));
}
