//! Processes that come to a test's database when the test is over.

use heirloom::{Sandbox, Test};
use heirloom_tests::MIGRATOR;
use sqlx::{Connection as _, PgConnection};

/// How many sockets are kept for those who come too late.
const KEPT: usize = 64;

/// The URL that a test has told others of, and that is over.
fn over() -> String {
    let mut told = String::new();
    let outcome = Test::here("is_over")
        .migrator(&MIGRATOR)
        .run(|sandbox: Sandbox| {
            let told = &mut told;
            async move {
                *told = sandbox
                    .env()
                    .await?
                    .into_iter()
                    .find_map(database)
                    .expect("a URL");
                Ok(())
            }
        });
    drop(outcome);
    told
}

fn database((name, value): (String, String)) -> Option<String> {
    (name == "DATABASE_URL" && value.starts_with("postgres:")).then_some(value)
}

async fn refused(url: &str) -> sqlx::Error {
    let connected = PgConnection::connect(url).await;
    connected.expect_err("it is over")
}

#[test]
fn who_comes_too_late_is_told_the_tests_name_and_not_for_ever() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let first = over();
    for _ in 0..3 {
        let text = runtime.block_on(refused(&first)).to_string();
        assert!(text.contains("`is_over`"), "{text}");
    }
    let token = first.split(['/', '@']).nth(2).expect("a user");
    let stranger = first.replacen(token, "somebody", 1);
    let text = runtime.block_on(refused(&stranger)).to_string();
    assert!(text.contains("not the token of a running test"), "{text}");
    let mut last = String::new();
    for _ in 0..KEPT {
        last = over();
    }
    let text = runtime.block_on(refused(&last)).to_string();
    assert!(text.contains("`is_over`"), "{text}");
    let forgotten = runtime.block_on(refused(&first));
    assert!(matches!(forgotten, sqlx::Error::Io(_)), "{forgotten}");
}
