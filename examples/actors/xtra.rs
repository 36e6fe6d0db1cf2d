//! xtra carries the sender's span with each message once its feature `instrumentation` is on, which tests can turn on for
//! themselves, under `[dev-dependencies]`. What else an actor does is its own: it keeps an [`Envelope`] for that. (With an
//! envelope around its messages it needs no feature, as actix.)
//!
//! Run with: `cargo test --package actors --test xtra`

use heirloom::{Envelope, Error, Repo, owned_task, sandboxed};
use sqlx::Sqlite;
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use xtra::prelude::*;

// The application: a global database, and an actor that keeps its guests.

static REPO: Repo<Sqlite> = Repo::new();

async fn sign_up(email: String) -> sqlx::Result<i64> {
    let insert = sqlx::query("INSERT INTO guests VALUES (?)").bind(email);
    insert.execute(&REPO).await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM guests");
    count.fetch_one(&REPO).await
}

#[derive(xtra::Actor)]
struct Desk;

struct SignUp(String);

impl Handler<SignUp> for Desk {
    type Return = sqlx::Result<i64>;

    async fn handle(&mut self, SignUp(email): SignUp, _: &mut Context<Self>) -> Self::Return {
        sign_up(email).await
    }
}

/// Actors live here, longer than any test; it is nobody's.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The one desk of this process.
static DESK: LazyLock<Address<Desk>> = LazyLock::new(|| {
    let _there = RUNTIME.enter();
    xtra::spawn_tokio(Desk, Mailbox::unbounded())
});

/// An actor that works when it starts, before any message, for whoever made it.
struct Landlord {
    made_by: Envelope<()>,
    signed_up: sqlx::Result<i64>,
}

impl Landlord {
    fn new() -> Self {
        Self {
            made_by: Envelope::standing(()),
            signed_up: Ok(0),
        }
    }
}

const LANDLORD: &str = "landlord@example.org";

impl Actor for Landlord {
    type Stop = ();

    async fn started(&mut self, _: &Mailbox<Self>) -> Result<(), ()> {
        let starts = self.made_by.clone();
        let signed_up = starts.handle(async |()| sign_up(LANDLORD.to_owned()).await);
        self.signed_up = signed_up.await;
        Ok(())
    }

    async fn stopped(self) {}
}

/// The same, as one writes it without tests in mind.
struct Careless(sqlx::Result<i64>);

impl Actor for Careless {
    type Stop = ();

    async fn started(&mut self, _: &Mailbox<Self>) -> Result<(), ()> {
        self.0 = sign_up(LANDLORD.to_owned()).await;
        Ok(())
    }

    async fn stopped(self) {}
}

struct Started;

impl Handler<Started> for Landlord {
    type Return = sqlx::Result<i64>;

    async fn handle(&mut self, _: Started, _: &mut Context<Self>) -> Self::Return {
        std::mem::replace(&mut self.signed_up, Ok(0))
    }
}

impl Handler<Started> for Careless {
    type Return = sqlx::Result<i64>;

    async fn handle(&mut self, _: Started, _: &mut Context<Self>) -> Self::Return {
        std::mem::replace(&mut self.0, Ok(0))
    }
}

// Its tests. They run at once, each on its own database: the same guest signs up in all of them.

#[sandboxed]
async fn the_first_guest_is_alone() -> sqlx::Result<()> {
    let guests = DESK.send(SignUp("ada@example.org".to_owned())).await;
    assert_eq!(guests.expect("it runs")?, 1);
    Ok(())
}

#[sandboxed]
async fn a_hundred_guests_are_counted() -> sqlx::Result<()> {
    for number in 1..100 {
        let guests = DESK.send(SignUp(format!("{number}@example.org"))).await;
        assert_eq!(guests.expect("it runs")?, number);
    }
    let guests = DESK.send(SignUp("ada@example.org".to_owned())).await;
    assert_eq!(guests.expect("it runs")?, 100);
    Ok(())
}

#[sandboxed]
async fn an_actor_that_keeps_who_made_it_starts_for_that_one() -> sqlx::Result<()> {
    let landlord = {
        let _there = RUNTIME.enter();
        xtra::spawn_tokio(Landlord::new(), Mailbox::unbounded())
    };
    let signed_up = landlord.send(Started).await.expect("it runs");
    assert_eq!(signed_up?, 1);
    Ok(())
}

#[sandboxed]
async fn an_actor_that_does_not_starts_as_nobodys() {
    let careless = {
        let _there = RUNTIME.enter();
        xtra::spawn_tokio(Careless(Ok(0)), Mailbox::unbounded())
    };
    let signed_up = careless.send(Started).await.expect("it runs");
    let error = signed_up.expect_err("nobody's");
    let error = Error::from_sqlx(&error).expect("heirloom's");
    assert!(matches!(error, Error::Ownership { .. }), "{error}");
}

/// `xtra::run` is a future as any other: spawned by hand it can be owned, and then the whole actor is.
#[sandboxed]
async fn an_actor_that_is_spawned_by_hand_is_the_tests() -> sqlx::Result<()> {
    #[owned_task]
    fn start() -> Address<Careless> {
        let (address, mailbox) = Mailbox::unbounded();
        RUNTIME.spawn(xtra::run(mailbox, Careless(Ok(0))));
        address
    }
    let signed_up = start().send(Started).await.expect("it runs");
    assert_eq!(signed_up?, 1);
    Ok(())
}
