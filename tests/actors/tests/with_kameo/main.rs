//! kameo at its default features: a message's span follows its sender's, and with it takes the owner. What else a kameo
//! actor does is its own, which matters where it lives on a runtime that is not the test's.

mod hooks;
mod senders;

use heirloom_actors_tests::{REPO, at_once, count, nobodys, sign_up};
use kameo::prelude::*;
use std::sync::LazyLock;

/// The application's actor, which knows of no tests.
#[derive(Actor)]
struct Desk;

struct SignUp(String);

impl Message<SignUp> for Desk {
    type Reply = Result<(), sqlx::Error>;

    async fn handle(
        &mut self,
        SignUp(email): SignUp,
        _: &mut Context<Self, Self::Reply>,
    ) -> Self::Reply {
        sign_up(&email).await.map(drop)
    }
}

struct Count;

impl Message<Count> for Desk {
    type Reply = Result<i64, sqlx::Error>;

    async fn handle(&mut self, _: Count, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        count(&REPO).await
    }
}

/// Started by whoever comes first, on a runtime that outlives every test; nobody's.
static DESK: LazyLock<ActorRef<Desk>> = LazyLock::new(|| start(Desk));

fn start<A: Actor<Args = A>>(actor: A) -> ActorRef<A> {
    let _there = nobodys().enter();
    A::spawn(actor)
}

#[test]
fn one_actor_serves_many_tests_at_once_and_each_sees_its_own_rows() {
    const MESSAGES: i64 = 250;
    at_once("kameo", |_| async {
        for number in 1..=MESSAGES {
            // The same addresses in every test: in one database the second would be refused.
            let told = DESK.tell(SignUp(format!("{number}@example.org"))).await;
            told.expect("it runs");
            assert_eq!(DESK.ask(Count).await.expect("an answer"), number);
        }
        assert_eq!(count(&REPO).await?, MESSAGES);
        Ok(())
    });
}
