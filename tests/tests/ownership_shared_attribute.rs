//! `#[sandboxed(shared = true)]`, in a binary of its own: the others look at what is left of their own shared tests.

use heirloom::{Mode, Repo, Sandbox, sandboxed};
use heirloom_tests::{count, insert, nobodys};
use sqlx::Sqlite;

static REPO: Repo<Sqlite> = Repo::new();

#[sandboxed(shared = true)]
async fn nobodys_code_uses_the_tests_session(sandbox: Sandbox) -> sqlx::Result<()> {
    assert_eq!(REPO.mode(), Mode::Shared(sandbox.owner().clone()));
    insert(&REPO, "ada@example.org").await?;
    assert_eq!(counted_by_nobody().await?, 1);
    Ok(())
}

/// Not in the annotated body, where a spawn would be an heir.
async fn counted_by_nobody() -> sqlx::Result<i64> {
    nobodys().spawn(count(&REPO)).await.expect("no panic")
}

#[sandboxed(isolation = "none", ownership_timeout = "2 s")]
async fn a_test_without_isolation_and_its_timeout(sandbox: Sandbox) {
    let of_it = |text: &str| text.contains("outside the sandbox");
    count(&REPO).await.expect("it is open");
    assert!(
        of_it(&sandbox.inspect().to_string()),
        "{}",
        sandbox.inspect()
    );
    let error = loop {
        if let Err(error) = count(&REPO).await {
            break error;
        }
    };
    heirloom_tests::says(heirloom_tests::ours(&error), &["`ownership_timeout` of 2s"]);
}
