//! Tests beside each other, each with a browser of its own: the same names, the same texts, the same page.

use guestbook_e2e::{Site, TestResult, email};
use heirloom::sandboxed;
use rstest::rstest;

#[sandboxed]
#[rstest]
async fn every_test_has_the_whole_site_to_itself(
    #[values(1, 2, 3, 4)] entries: usize,
    site: Site,
) -> TestResult {
    let browser = site.browser().await?;
    browser.open("/").await?;
    let email = email("Ada");
    let ada = [("name", "Ada"), ("email", &email)];
    browser.fill("/sign-up", &ada).await?;
    for n in 1..=entries {
        let text = format!("{n} of {entries}");
        let entry = [("email", &*email), ("text", &*text)];
        browser.fill("/sign", &entry).await?;
        browser.is_live().await?;
    }
    let expected: Vec<_> = (1..=entries)
        .rev()
        .map(|n| format!("{n} of {entries}"))
        .collect();
    assert_eq!(browser.entries().await?, expected);
    Ok(())
}
