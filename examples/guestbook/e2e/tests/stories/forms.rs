//! People fill in the page's forms.

use guestbook_e2e::{Site, TestResult, email};
use heirloom::{Sandbox, sandboxed};

#[sandboxed]
async fn a_person_signs_up_and_signs_the_book(site: Site, sandbox: Sandbox) -> TestResult {
    let browser = site.browser().await?;
    browser.open("/").await?;
    assert_eq!(browser.text("#total").await?, "0 entries");
    let email = email("Ada");
    let ada = [("name", "Ada"), ("email", &email)];
    browser.fill("/sign-up", &ada).await?;
    assert_eq!(browser.text(".said").await?, "Welcome! Now sign the book.");
    let entry = [("email", &*email), ("text", "What a lovely engine!")];
    browser.fill("/sign", &entry).await?;
    assert_eq!(browser.text(".said").await?, "Thank you for your entry.");
    assert_eq!(browser.text("#total").await?, "1 entry");
    assert_eq!(browser.entries().await?, ["What a lovely engine!"]);

    // The letter that the request has started is this test's, too.
    sandbox.settle().await?;
    let letters: Vec<String> = sqlx::query_scalar("SELECT subject FROM letters")
        .fetch_all(&site.pool)
        .await?;
    assert_eq!(letters, ["Welcome, Ada!"]);
    Ok(())
}

#[sandboxed]
async fn a_refused_form_says_why_and_keeps_what_was_typed(site: Site) -> TestResult {
    let browser = site.browser().await?;
    browser.open("/").await?;
    let entry = [("email", "who@example.org"), ("text", "Hello?")];
    browser.fill("/sign", &entry).await?;
    let why = "no guest has the e-mail who@example.org; sign up first";
    assert_eq!(browser.text("[role=alert]").await?, why);
    let focused = browser.active_element().await?.text().await?;
    assert_eq!(focused, why, "who cannot see the page is told at once");
    assert_eq!(browser.value("/sign", "text").await?, "Hello?");
    assert_eq!(browser.value("/sign", "email").await?, "who@example.org");
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM entries")
        .fetch_one(&site.pool)
        .await?;
    assert_eq!(entries, 0);
    Ok(())
}

#[sandboxed]
async fn the_browser_itself_refuses_what_is_no_email(site: Site) -> TestResult {
    let browser = site.browser().await?;
    browser.open("/").await?;
    browser
        .fill("/sign-up", &[("name", "Ada"), ("email", "ada")])
        .await?;
    assert_eq!(browser.texts(".said").await?, [""; 0]);
    assert_eq!(
        browser.value("/sign-up", "email").await?,
        "ada",
        "nothing was sent"
    );
    Ok(())
}

#[sandboxed]
async fn without_javascript_the_page_works_as_well(site: Site) -> TestResult {
    let browser = site.browser().await?;
    browser.run_no_scripts().await?;
    site.guest("Ada").await?;
    browser.open("/").await?;
    let entry = [("email", &*email("Ada")), ("text", "By hand.")];
    browser.fill("/sign", &entry).await?;
    browser.sees("By hand.").await?;
    assert_eq!(browser.text("#total").await?, "1 entry");
    Ok(())
}
