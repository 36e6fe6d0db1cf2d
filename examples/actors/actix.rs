//! actix knows nothing of tracing, so neither spans nor owners go along with its messages: what is to be the sender's
//! travels in an [`Envelope`], inside the message.
//!
//! Run with: `cargo test --package actors --test actix`

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, ResponseFuture, System};
use heirloom::{Envelope, Error, Repo, sandboxed};
use sqlx::Sqlite;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

// The application: a global database, and an actor that keeps its guests.

static REPO: Repo<Sqlite> = Repo::new();

async fn sign_up(email: String) -> sqlx::Result<i64> {
    let insert = sqlx::query("INSERT INTO guests VALUES (?)").bind(email);
    insert.execute(&REPO).await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(&REPO).await
}

struct Desk;

impl Actor for Desk {
    type Context = Context<Self>;
}

/// Belongs to whoever makes it, on whatever way it takes.
#[derive(Message)]
#[rtype(result = "sqlx::Result<i64>")]
struct SignUp(Envelope<String>);

impl SignUp {
    fn new(email: &str) -> Self {
        Self(Envelope::new(email.to_owned()))
    }
}

impl Handler<SignUp> for Desk {
    type Result = ResponseFuture<sqlx::Result<i64>>;

    fn handle(&mut self, SignUp(envelope): SignUp, _: &mut Self::Context) -> Self::Result {
        Box::pin(envelope.handle(sign_up))
    }
}

/// Signs somebody up in a moment, and then answers.
#[derive(Message)]
#[rtype(result = "()")]
struct SignUpLater(Envelope<(String, oneshot::Sender<sqlx::Result<i64>>)>);

impl Handler<SignUpLater> for Desk {
    type Result = ();

    fn handle(&mut self, SignUpLater(envelope): SignUpLater, context: &mut Self::Context) {
        // The timer's closure runs as the actor's, so the envelope stays closed until then.
        context.run_later(Duration::from_millis(1), |_, context| {
            let signed_up = envelope.handle(async |(email, answer)| {
                answer.send(sign_up(email).await).ok();
            });
            context.spawn(actix::fut::wrap_future(signed_up));
        });
    }
}

/// As one writes it without tests in mind.
#[derive(Message)]
#[rtype(result = "sqlx::Result<i64>")]
struct Plain(String);

impl Handler<Plain> for Desk {
    type Result = ResponseFuture<sqlx::Result<i64>>;

    fn handle(&mut self, Plain(email): Plain, _: &mut Self::Context) -> Self::Result {
        Box::pin(sign_up(email))
    }
}

/// The one desk of this process. It lives on a thread of its own, longer than any test, and is nobody's.
static DESK: LazyLock<Addr<Desk>> = LazyLock::new(|| {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let system = System::new();
        system.block_on(async { tell.send(Desk.start()).expect("it is awaited") });
        system.run().expect("it runs");
    });
    told.recv().expect("it starts")
});

// Its tests. They run at once, each on its own database: the same guest signs up in all of them.

#[sandboxed]
async fn the_first_guest_is_alone() -> sqlx::Result<()> {
    let guests = DESK.send(SignUp::new("ada@example.org")).await;
    assert_eq!(guests.expect("it runs")?, 1);
    Ok(())
}

#[sandboxed]
async fn a_hundred_guests_are_counted() -> sqlx::Result<()> {
    for number in 1..100 {
        let email = format!("{number}@example.org");
        let guests = DESK.send(SignUp::new(&email)).await;
        assert_eq!(guests.expect("it runs")?, number);
    }
    let guests = DESK.send(SignUp::new("ada@example.org")).await;
    assert_eq!(guests.expect("it runs")?, 100);
    Ok(())
}

#[sandboxed]
async fn what_is_done_later_is_done_for_the_sender() -> sqlx::Result<()> {
    let (answer, answered) = oneshot::channel();
    let message = Envelope::new(("ada@example.org".to_owned(), answer));
    DESK.do_send(SignUpLater(message));
    assert_eq!(answered.await.expect("it answers")?, 1);
    Ok(())
}

#[sandboxed]
async fn a_plain_message_to_the_shared_desk_is_nobodys() {
    let refused = DESK.send(Plain("ada@example.org".to_owned())).await;
    let error = refused.expect("it runs").expect_err("nobody's");
    let error = Error::from_sqlx(&error).expect("heirloom's");
    assert!(matches!(error, Error::Ownership { .. }), "{error}");
}

/// A desk of the test's own, on the test's own thread, belongs to the test with all that it does.
#[sandboxed]
async fn a_plain_message_to_the_tests_own_desk_is_the_tests() -> sqlx::Result<()> {
    let here = LocalSet::new();
    let asked = here.run_until(async {
        let desk = Desk.start();
        desk.send(Plain("ada@example.org".to_owned())).await
    });
    assert_eq!(asked.await.expect("it runs")?, 1);
    Ok(())
}
