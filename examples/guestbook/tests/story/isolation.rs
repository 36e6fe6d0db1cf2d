//! Tests beside each other, and after each other: nobody sees anybody else's rows.

use crate::support::{TestApp, TestResult, count};
use axum::http::StatusCode;
use guestbook::{Pool, REPO, SignUp, sign_up};
use heirloom::{Sandbox, Test, sandboxed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

fn ada() -> SignUp {
    SignUp {
        name: "Ada".into(),
        email: "ada@example.org".into(),
    }
}

/// Where two tests meet. Unlike at a `Barrier`, whoever comes after the other has failed is told so and does not wait.
struct MeetingPoint {
    tell: Sender<()>,
    hear: Receiver<()>,
}

impl MeetingPoint {
    fn for_two() -> (Self, Self) {
        let ((tell_two, hear_one), (tell_one, hear_two)) = (channel(), channel());
        let one = Self {
            tell: tell_two,
            hear: hear_two,
        };
        let two = Self {
            tell: tell_one,
            hear: hear_one,
        };
        (one, two)
    }

    fn meet(&self) {
        self.tell.send(()).expect("the other test is still there");
        self.hear.recv().expect("the other test is still there");
    }
}

/// Inserts while the other test has inserted, too, and neither has committed.
fn inserts_ada(name: &str, other: &MeetingPoint) {
    // In a transaction the second would wait for the first to end.
    let test = Test::here(name).isolation_database();
    drop(test.run(|sandbox: Sandbox| async move {
        let pool: Pool = sandbox.get().await.expect("a database");
        let mut signing = REPO.begin().await?;
        other.meet();
        sign_up(&mut *signing, &ada()).await?;
        other.meet();
        signing.commit().await?;
        other.meet();
        assert_eq!(count(&pool, "guests").await, 1);
        Ok(())
    }));
}

/// Both owners live in this one process, under every runner.
#[test]
fn two_tests_insert_the_same_unique_key_at_the_same_moment() {
    let (here, there) = MeetingPoint::for_two();
    // Each thread becomes the thread of a test of its own.
    std::thread::scope(|scope| {
        scope.spawn(move || inserts_ada("guestbook::isolation::here", &here));
        scope.spawn(move || inserts_ada("guestbook::isolation::there", &there));
    });
}

#[sandboxed]
async fn ada_signs_up_in_this_test(app: TestApp) {
    let answer = app.sign_up("Ada", "ada@example.org").await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[sandboxed(flavor = "multi_thread")]
async fn ada_signs_up_in_this_test_too(app: TestApp) {
    let answer = app.sign_up("Ada", "ada@example.org").await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

async fn signs_up_and_panics(sandbox: Sandbox) {
    let app: TestApp = sandbox.get().await.expect("the guestbook");
    app.sign_up("Ada", "ada@example.org").await;
    let mut signing = app.pool.begin().await.expect("a transaction");
    let grace = SignUp {
        name: "Grace".into(),
        email: "grace@example.org".into(),
    };
    sign_up(&mut *signing, &grace).await.expect("a guest");
    let _held = app.pool.acquire().await.expect("a connection");
    panic!("with a transaction, a connection, a task and an actor open");
}

#[test]
fn a_panic_leaks_nothing_into_the_next_test() {
    const NAME: &str = "guestbook::isolation::panics_with_everything_open";
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        Test::here(NAME).run(|sandbox: Sandbox| async move {
            signs_up_and_panics(sandbox).await;
            Ok(())
        })
    }));
    let message = *panicked
        .expect_err("it panics")
        .downcast::<&str>()
        .expect("text");
    assert!(message.starts_with("with a transaction"), "{message}");

    drop(Test::here(NAME).run(|sandbox: Sandbox| async move {
        let pool: Pool = sandbox.get().await.expect("a database");
        assert_eq!(count(&pool, "guests").await, 0);
        Ok(())
    }));
}

/// A test that is not async has its fixtures all the same.
#[sandboxed]
fn a_plain_function_owns_a_database_too(pool: Pool) -> TestResult {
    let guests = tokio::runtime::Handle::current().block_on(count(&pool, "guests"));
    assert_eq!(guests, 0);
    Ok(())
}
