//! Signing up.

use crate::support::{TestApp, TestResult, count, sign_up};
use axum::http::StatusCode;
use guestbook::Pool;
use heirloom::{Sandbox, eventually, sandboxed};
use serde_json::json;
use tokio::task::JoinSet;

#[sandboxed]
async fn who_signs_up_is_a_guest(app: TestApp) {
    let answer = app.sign_up(" Ada ", "ada@example.org").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let (id, email): (i64, String) = sqlx::query_as("SELECT id, email FROM guests")
        .fetch_one(&app.pool)
        .await
        .expect("one guest");
    assert_eq!(
        answer.json(),
        json!({ "id": id, "name": "Ada", "email": email })
    );
}

#[sandboxed]
async fn a_second_sign_up_with_the_same_email_gets_409_and_leaves_one_row(app: TestApp) {
    app.sign_up("Ada", "ada@example.org").await;
    for email in ["ada@example.org", "ADA@example.ORG"] {
        let answer = app.sign_up("Impostor", email).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.error(), format!("{email} has signed up already"));
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM guests")
        .fetch_all(&app.pool)
        .await
        .expect("guests");
    assert_eq!(names, ["Ada"]);
}

#[sandboxed]
async fn what_cannot_be_taken_is_refused_with_the_reason_and_leaves_no_row(app: TestApp) {
    let long = "a".repeat(81);
    for (name, email, reason) in [
        ("  ", "ada@example.org", "please give your name"),
        (&*long, "ada@example.org", "at most 80 characters"),
        ("Ada", "ada", "write it like ada@example.org"),
    ] {
        let answer = app.sign_up(name, email).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.error().contains(reason), "{answer:?}");
    }
    assert_eq!(count(&app.pool, "guests").await, 0);
}

#[sandboxed]
async fn a_body_that_cannot_be_read_is_refused_with_the_reason(app: TestApp) {
    let broken = app
        .post_as("application/json", "/api/guests", "{".into())
        .await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{broken:?}");
    let incomplete = app.post("/api/guests", &json!({ "name": "Ada" })).await;
    assert_eq!(incomplete.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(incomplete.error().contains("missing field `email`"));
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_one_email_at_once_exactly_one_gets_it(app: TestApp) -> TestResult {
    let mut wanting = JoinSet::new();
    for n in 0..16 {
        let router = app.router();
        wanting.spawn(async move {
            let answer = sign_up(router, &format!("Ada {n}"), "ada@example.org").await;
            answer.status
        });
    }
    let mut answers = wanting.join_all().await;
    answers.sort();
    assert_eq!(answers[0], StatusCode::CREATED);
    assert!(
        answers[1..]
            .iter()
            .all(|status| *status == StatusCode::CONFLICT)
    );
    assert_eq!(count(&app.pool, "guests").await, 1);
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn many_sign_up_at_once_through_several_connections(
    app: TestApp,
    sandbox: Sandbox,
) -> TestResult {
    // Somebody is writing, so everybody who comes now waits with a connection of their own: SQLite has one writer at a
    // time, and a test in a transaction one session.
    let mut writing = app.pool.begin().await?;
    let nothing = sqlx::query("UPDATE guests SET name = name");
    nothing.execute(&mut *writing).await?;
    let mut arriving = JoinSet::new();
    for n in 0..16 {
        let router = app.router();
        arriving.spawn(async move {
            let answer = sign_up(router, "Guest", &format!("guest{n}@example.org")).await;
            answer.status
        });
    }
    eventually(|| async { app.pool.size() >= 5 }).await?;
    writing.commit().await?;
    let answers = arriving.join_all().await;
    assert!(answers.iter().all(|status| *status == StatusCode::CREATED));
    sandbox.settle().await?;
    assert_eq!(count(&app.pool, "guests").await, 16);
    assert_eq!(count(&app.pool, "letters").await, 16);
    Ok(())
}

#[sandboxed]
#[should_panic(expected = "EmailTaken { email: \"ada@example.org\" }")]
async fn a_test_that_expects_too_much_fails_with_the_applications_own_error(pool: Pool) {
    let ada = guestbook::SignUp {
        name: "Ada".into(),
        email: "ada@example.org".into(),
    };
    for _ in 0..2 {
        guestbook::sign_up(&pool, &ada).await.unwrap();
    }
}
