//! ractor at its default features: messages carry their sender's span, and with it the owner. What else a ractor actor
//! does is its own, which matters where it lives on a runtime that is not the test's.

mod hooks;
mod kinds;
mod senders;

use heirloom_actors_tests::{REPO, at_once, count, nobodys, sign_up, whose};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use std::sync::LazyLock;

type Done<T = ()> = Result<T, ActorProcessingErr>;

enum Order {
    SignUp(String),
    Count(RpcReplyPort<sqlx::Result<i64>>),
    Whose(RpcReplyPort<Option<String>>),
}

/// The application's actor, which knows of no tests.
#[derive(Default)]
struct Desk;

impl Actor for Desk {
    type Msg = Order;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Done {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, (): &mut ()) -> Done {
        match order {
            Order::SignUp(email) => drop(sign_up(&email).await?),
            Order::Count(answer) => answer.send(count(&REPO).await)?,
            Order::Whose(answer) => answer.send(whose())?,
        }
        Ok(())
    }
}

/// Started by whoever comes first, on a runtime that outlives every test; nobody's.
static DESK: LazyLock<ActorRef<Order>> = LazyLock::new(|| start(Actor::spawn(None, Desk, ())));

fn start<M, H: Send, E: std::fmt::Debug + Send>(
    spawned: impl Future<Output = Result<(ActorRef<M>, H), E>> + Send,
) -> ActorRef<M>
where
    ActorRef<M>: Send,
{
    // On a thread of its own, as one cannot block inside a test.
    std::thread::scope(|scope| {
        let started = scope.spawn(|| nobodys().block_on(spawned).expect("it starts").0);
        started.join().expect("no panic")
    })
}

#[test]
fn one_actor_serves_many_tests_at_once_and_each_sees_its_own_rows() {
    const MESSAGES: i64 = 250;
    at_once("ractor", |_| async {
        for number in 1..=MESSAGES {
            // The same addresses in every test: in one database the second would be refused.
            let order = Order::SignUp(format!("{number}@example.org"));
            DESK.cast(order).expect("it runs");
            let guests = call!(DESK, Order::Count).expect("an answer")?;
            assert_eq!(guests, number);
        }
        assert_eq!(count(&REPO).await?, MESSAGES);
        Ok(())
    });
}
