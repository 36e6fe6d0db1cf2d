//! A process in which no sandboxed test ever starts: a repo is the pool it was given. A binary of its own, because the
//! first test of a process changes the mode for good.

use heirloom::{Error, Mode, Repo};
use sqlx::Sqlite;

#[tokio::test]
async fn without_a_suite_a_repo_is_its_pool() {
    static REPO: Repo<Sqlite> = Repo::new();
    assert_eq!(REPO.mode(), Mode::Auto);
    let error = REPO.pool().await.expect_err("no pool yet");
    let text = error.to_string();
    assert!(matches!(error, Error::Ownership { .. }));
    for part in ["`Auto`", "`#[sandboxed]`", "Repo::connect"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    REPO.connect("sqlite::memory:").await.expect("connects");
    let one: i64 = sqlx::query_scalar("SELECT 1")
        .fetch_one(&REPO)
        .await
        .expect("queries");
    assert_eq!(one, 1);
    let again = REPO.connect("sqlite::memory:").await.expect_err("once");
    assert!(matches!(
        Error::from_sqlx(&again),
        Some(Error::AlreadyConnected {
            repo: "default",
            ..
        })
    ));
}
