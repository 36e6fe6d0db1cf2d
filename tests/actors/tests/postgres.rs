//! The same on PostgreSQL, where every test is a session of its own on one database.

use heirloom::{Envelope, Repo};
use heirloom_actors_tests::{at_once, nobodys};
use kameo::prelude::{ActorRef as KameoRef, Context, Message, Spawn as _};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use sqlx::Postgres;
use std::sync::LazyLock;
use tokio::sync::{mpsc, oneshot};

static REPO: Repo<Postgres> = Repo::new();

const MESSAGES: i64 = 40;

async fn sign_up(email: &str) -> sqlx::Result<i64> {
    let insert = sqlx::query("INSERT INTO guests VALUES ($1)").bind(email.to_owned());
    insert.execute(&REPO).await?;
    sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&REPO)
        .await
}

/// Signs guests up by one actor, in all tests at once; nobody sees another test's.
fn signs_up<F: Future<Output = sqlx::Result<i64>>>(name: &str, ask: impl Fn(String) -> F + Sync) {
    at_once(name, async |test| {
        for number in 1..=MESSAGES {
            // No address twice: PostgreSQL would have the second test wait for the end of the first.
            let guests = ask(format!("{number}@{name}-{test}.example.org")).await?;
            assert_eq!(guests, number);
        }
        Ok(())
    });
}

type Answer = oneshot::Sender<sqlx::Result<i64>>;

#[test]
fn a_tokio_actor_handles_envelopes_as_the_senders() {
    static DESK: LazyLock<mpsc::UnboundedSender<Envelope<(String, Answer)>>> =
        LazyLock::new(|| {
            let (desk, mut inbox) = mpsc::unbounded_channel::<Envelope<(String, Answer)>>();
            nobodys().spawn(async move {
                while let Some(envelope) = inbox.recv().await {
                    let handled = envelope.handle(async |(email, answer): (String, Answer)| {
                        answer.send(sign_up(&email).await).ok();
                    });
                    handled.await;
                }
            });
            desk
        });
    signs_up("envelope", |email| async {
        let (answer, answered) = oneshot::channel();
        let sent = DESK.send(Envelope::new((email, answer)));
        sent.expect("the desk is open");
        answered.await.expect("an answer")
    });
}

struct Desk;

impl Actor for Desk {
    type Msg = (String, RpcReplyPort<sqlx::Result<i64>>);
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (email, answer): Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(answer.send(sign_up(&email).await)?)
    }
}

#[test]
fn a_ractor_actor_handles_messages_as_the_senders() {
    let spawned = nobodys().block_on(Actor::spawn(None, Desk, ()));
    let (desk, _) = spawned.expect("it starts");
    signs_up("ractor", async |email| {
        call!(desk, |answer| (email, answer)).expect("an answer")
    });
}

#[derive(kameo::Actor)]
struct Office;

impl Message<String> for Office {
    type Reply = Result<i64, sqlx::Error>;

    async fn handle(&mut self, email: String, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        sign_up(&email).await
    }
}

#[test]
fn a_kameo_actor_handles_messages_as_the_senders() {
    let office: KameoRef<Office> = {
        let _there = nobodys().enter();
        Office::spawn(Office)
    };
    signs_up("kameo", async |email| {
        Ok(office.ask(email).await.expect("an answer"))
    });
}
