//! rstest below `#[sandboxed]`, and above `#[heirloom::test]`.

use heirloom::{Sandbox, sandboxed};
use rstest::{fixture, rstest};
use sqlx::SqlitePool;

#[fixture]
fn seven() -> u8 {
    7
}

#[fixture]
async fn later() -> u8 {
    8
}

#[sandboxed]
#[rstest]
#[case(1, "a")]
#[case::named(2, "b")]
async fn cases_below(
    #[case] mut number: u8,
    pool: SqlitePool,
    #[case] text: &str,
) -> sqlx::Result<()> {
    number += 1;
    assert!(number > 1 && !text.is_empty());
    let moved = pool.clone();
    tokio::spawn(async move { sqlx::query("SELECT 1").execute(&moved).await })
        .await
        .unwrap()?;
    Ok(())
}

#[sandboxed]
#[rstest]
async fn values_below(
    #[values(1, 2)] left: u8,
    #[values("a", "b")] right: &'static str,
    _sandbox: Sandbox,
) {
    assert!(left > 0 && !right.is_empty());
}

#[sandboxed]
#[rstest]
async fn fixtures_below(
    #[from(seven)] number: u8,
    #[from(later)]
    #[future]
    future: u8,
    #[from(later)]
    #[future(awt)]
    awaited: u8,
) {
    assert_eq!(number + future.await + awaited, 23);
}

#[sandboxed]
#[rstest]
#[case(1)]
#[should_panic(expected = "two")]
#[case(2)]
async fn one_case_panics(#[case] number: u8) {
    assert!(number < 2, "two");
}

#[sandboxed]
#[rstest]
#[case(1)]
fn plain_below(#[case] number: u8, sandbox: Sandbox) {
    drop(sandbox);
    assert_eq!(number, 1);
}

#[rstest]
#[case(1)]
#[case(2)]
#[heirloom::test]
async fn cases_above(#[case] number: u8, #[ignore] pool: SqlitePool) -> sqlx::Result<()> {
    assert!(number > 0);
    sqlx::query("SELECT 1").execute(&pool).await?;
    Ok(())
}

#[rstest]
#[test_attr(sandboxed)]
async fn named_above(seven: u8, #[ignore] pool: SqlitePool) {
    assert_eq!(seven, 7);
    drop(pool);
}
