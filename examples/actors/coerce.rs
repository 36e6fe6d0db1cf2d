//! coerce carries the sender's span with each message, always. What its timers send, and what an actor does when it starts
//! and stops, is nobody's: that travels in an [`Envelope`], inside the message or the actor.
//!
//! Run with: `cargo test --package actors --test coerce`

use async_trait::async_trait;
use coerce::actor::context::ActorContext;
use coerce::actor::message::{Handler, Message};
use coerce::actor::system::ActorSystem;
use coerce::actor::{Actor, LocalActorRef};
use heirloom::{Envelope, Error, Repo, sandboxed};
use sqlx::Sqlite;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, oneshot};

// The application: a global database, and an actor that keeps its guests.

static REPO: Repo<Sqlite> = Repo::new();

async fn sign_up(email: String) -> sqlx::Result<i64> {
    let insert = sqlx::query("INSERT INTO guests VALUES (?)").bind(email);
    insert.execute(&REPO).await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(&REPO).await
}

struct Desk;

impl Actor for Desk {}

struct SignUp(String);

impl Message for SignUp {
    type Result = sqlx::Result<i64>;
}

#[async_trait]
impl Handler<SignUp> for Desk {
    async fn handle(&mut self, SignUp(email): SignUp, _: &mut ActorContext) -> sqlx::Result<i64> {
        sign_up(email).await
    }
}

type Answer = oneshot::Sender<sqlx::Result<i64>>;

/// A message that belongs to whoever made it, whoever sends it.
struct ForSender(Envelope<(String, Answer)>);

impl Message for ForSender {
    type Result = ();
}

#[async_trait]
impl Handler<ForSender> for Desk {
    async fn handle(&mut self, ForSender(envelope): ForSender, _: &mut ActorContext) {
        let signed_up = envelope.handle(async |(email, answer)| {
            answer.send(sign_up(email).await).ok();
        });
        signed_up.await;
    }
}

/// The same, as one writes it without tests in mind.
struct Plain(String, Answer);

impl Message for Plain {
    type Result = ();
}

#[async_trait]
impl Handler<Plain> for Desk {
    async fn handle(&mut self, Plain(email, answer): Plain, _: &mut ActorContext) {
        answer.send(sign_up(email).await).ok();
    }
}

/// Something to do in a moment: the desk has a timer send it.
struct Later<M>(M);

impl<M: Message> Message for Later<M> {
    type Result = ();
}

#[async_trait]
impl<M: Message> Handler<Later<M>> for Desk
where
    Desk: Handler<M>,
{
    async fn handle(&mut self, Later(message): Later<M>, context: &mut ActorContext) {
        let desk = context.actor_ref::<Desk>();
        desk.scheduled_notify(message, Duration::from_millis(1));
    }
}

/// The one desk of this process. It lives on a runtime of its own, longer than any test, and is nobody's.
async fn desk() -> &'static LocalActorRef<Desk> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    static DESK: OnceCell<LocalActorRef<Desk>> = OnceCell::const_new();
    DESK.get_or_init(async || {
        let started = RUNTIME.spawn(async { ActorSystem::new().new_anon_actor(Desk).await });
        started.await.expect("no panic").expect("it starts")
    })
    .await
}

// Its tests. They run at once, each on its own database: the same guest signs up in all of them.

#[sandboxed]
async fn the_first_guest_is_alone() -> sqlx::Result<()> {
    let guests = desk()
        .await
        .send(SignUp("ada@example.org".to_owned()))
        .await;
    assert_eq!(guests.expect("it runs")?, 1);
    Ok(())
}

#[sandboxed]
async fn a_hundred_guests_are_counted() -> sqlx::Result<()> {
    for number in 1..100 {
        let guests = desk()
            .await
            .send(SignUp(format!("{number}@example.org")))
            .await;
        assert_eq!(guests.expect("it runs")?, number);
    }
    let guests = desk()
        .await
        .send(SignUp("ada@example.org".to_owned()))
        .await;
    assert_eq!(guests.expect("it runs")?, 100);
    Ok(())
}

#[sandboxed]
async fn what_a_timer_sends_in_an_envelope_is_the_senders() -> sqlx::Result<()> {
    let (answer, answered) = oneshot::channel();
    let message = Envelope::new(("ada@example.org".to_owned(), answer));
    let sent = desk().await.notify(Later(ForSender(message)));
    sent.expect("it runs");
    assert_eq!(answered.await.expect("it answers")?, 1);
    Ok(())
}

#[sandboxed]
async fn what_a_timer_sends_plainly_is_nobodys() {
    let (answer, answered) = oneshot::channel();
    let message = Plain("ada@example.org".to_owned(), answer);
    let sent = desk().await.notify(Later(message));
    sent.expect("it runs");
    let error = answered.await.expect("it answers").expect_err("nobody's");
    let error = Error::from_sqlx(&error).expect("heirloom's");
    assert!(matches!(error, Error::Ownership { .. }), "{error}");
}
