//! Other kinds of actors: those on a thread of their own, and the workers of a factory.

use super::{Done, start};
use heirloom_actors_tests::{as_test, at_once, elsewhere, whose};
use ractor::factory::queues::DefaultQueue;
use ractor::factory::routing::QueuerRouting;
use ractor::factory::{self, Factory, FactoryArguments, FactoryMessage, Job, Worker, WorkerId};
use ractor::thread_local::{ThreadLocalActor, ThreadLocalActorSpawner};
use ractor::{Actor, ActorRef, RpcReplyPort, call};
use std::sync::LazyLock;
use tokio::sync::mpsc;

#[test]
fn an_actor_on_a_thread_of_its_own_handles_messages_as_the_senders() {
    let (hooks, asked) = as_test("thread_local", |_| {
        elsewhere(async {
            let apart = ThreadLocalActorSpawner::new();
            let (tell, mut told) = mpsc::unbounded_channel();
            let spawned = <Apart as ThreadLocalActor>::spawn(None, tell, apart).await;
            let (actor, _) = spawned.expect("it starts");
            let asked = call!(actor, |answer| answer).expect("an answer");
            actor.stop(None);
            (told.recv().await, asked)
        })
    });
    assert_eq!(hooks, Some(None), "its start is nobody's");
    assert_eq!(asked.as_deref(), Some("thread_local"));
}

/// Its state need not be `Send`.
#[derive(Default)]
struct Apart;

impl ThreadLocalActor for Apart {
    type Msg = RpcReplyPort<Option<String>>;
    type State = ();
    type Arguments = mpsc::UnboundedSender<Option<String>>;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, tell: Self::Arguments) -> Done {
        Ok(tell.send(whose())?)
    }

    async fn handle(&self, _: ActorRef<Self::Msg>, answer: Self::Msg, (): &mut ()) -> Done {
        Ok(answer.send(whose())?)
    }
}

type Jobs = FactoryMessage<(), RpcReplyPort<Option<String>>>;

/// Does what a factory hands out.
struct Hand;

impl Worker for Hand {
    type Key = ();
    type Message = RpcReplyPort<Option<String>>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: WorkerId, _: &ActorRef<Jobs>, (): ()) -> Done {
        Ok(())
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &ActorRef<Jobs>,
        job: Job<(), Self::Message>,
        (): &mut (),
    ) -> Done {
        Ok(job.msg.send(whose())?)
    }
}

#[test]
fn a_factory_hands_its_jobs_out_as_the_senders() {
    type Answer = RpcReplyPort<Option<String>>;
    type Hands = Factory<(), Answer, (), Hand, QueuerRouting<(), Answer>, DefaultQueue<(), Answer>>;
    static FACTORY: LazyLock<ActorRef<Jobs>> = LazyLock::new(|| {
        let hands = FactoryArguments::builder()
            .worker_builder(Box::new(factory::worker_builder(|_| (Hand, ()))))
            .router(QueuerRouting::default())
            .queue(DefaultQueue::default())
            .num_initial_workers(2)
            .build();
        start(Actor::spawn(None, Hands::default(), hands))
    });
    at_once("factory", |number| async move {
        for _ in 0..20 {
            let sent = FACTORY.call_job((), |answer| answer, None).await;
            let seen = sent.expect("it runs").expect("an answer");
            assert_eq!(seen, Some(format!("factory_{number}")));
        }
        Ok(())
    });
}
