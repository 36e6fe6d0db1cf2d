//! Several owners in front of one server: nobody sees anybody else's book.

use fantoccini::Locator;
use guestbook::{REPO, SignUp, sign_up};
use guestbook_e2e::{Gate, Site, TestResult, email_at};
use heirloom::{FutureExt as _, Owner, Sandbox, sandboxed};

#[sandboxed]
async fn browsers_of_three_owners_each_see_their_own_book_live(
    site: Site,
    sandbox: Sandbox,
) -> TestResult {
    let second = Owner::start("the second").repo(&REPO).await?;
    let third = Owner::start("the third").repo(&REPO).await?;
    let (one, two, three) = tokio::try_join!(
        site.browser(),
        site.browser_of(&second),
        site.browser_of(&third),
    )?;
    let books = [
        ("one", sandbox.owner(), &one),
        ("two", &*second, &two),
        ("three", &*third, &three),
    ];
    for (_, owner, browser) in books {
        site.guest("Ada").owned_by(owner).await?;
        browser.open("/").await?;
    }
    // Each signs in the page, and then, while all three follow their books, somewhere else.
    for (name, owner, browser) in books {
        let email = format!("{}@example.org", owner.scoped_name("Ada"));
        let entry = [("email", email.as_str()), ("text", name)];
        browser.fill("/sign", &entry).await?;
        browser.is_live().await?;
    }
    for (name, owner, _) in books {
        let live = format!("{name} again");
        site.sign(&live).owned_by(owner).await?;
    }
    for (name, _, browser) in books {
        let live = format!("{name} again");
        browser.sees(&live).await?;
        assert_eq!(browser.entries().await?, [live.as_str(), name]);
        assert_eq!(browser.text("#total").await?, "2 entries");
    }
    second.stop().await?;
    third.stop().await?;
    Ok(())
}

#[sandboxed]
async fn a_browser_of_an_owner_that_has_ended_is_told_so(site: Site) -> TestResult {
    let owner = Owner::start("a short visit").repo(&REPO).await?;
    site.guest("Ada").owned_by(&owner).await?;
    let browser = site.browser_of(&owner).await?;
    browser.open("/").await?;
    browser.is_live().await?;
    owner.stop().await?;
    // Its WebSocket has ended with it, and is not opened again.
    browser.is_away().await?;
    browser.refresh().await?;
    let told = browser.text("body").await?;
    assert!(told.contains("a short visit"), "{told}");
    assert!(!told.contains("Guestbook"), "{told}");
    Ok(())
}

#[sandboxed]
async fn a_browser_that_goes_away_in_the_middle_of_a_request_leaves_nothing_half_done(
    site: Site,
    sandbox: Sandbox,
) -> TestResult {
    let gate = Gate::named("left");
    let browser = site.browser().await?;
    browser.open("/").await?;
    let ask = "fetch('/slow/left', { method: 'POST' })";
    browser
        .execute(&format!("{ask}; return null"), vec![])
        .await?;
    gate.begun().await?;
    browser.goto("about:blank").await?;
    gate.abandoned().await?;
    gate.open();
    sandbox.settle().await?;
    let (guests, entries): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM guests), (SELECT count(*) FROM entries)")
            .fetch_one(&site.pool)
            .await?;
    assert_eq!((guests, entries), (1, 1));
    browser.open("/").await?;
    assert_eq!(browser.entries().await?, ["Slowly."]);
    Ok(())
}

/// What a browser is in the middle of is undone at its owner's end, and nobody has to wait for it.
#[sandboxed]
async fn an_owner_ends_in_the_middle_of_a_browsers_request(site: Site) -> TestResult {
    let owner = Owner::start("cut short").repo(&REPO).await?;
    let gate = Gate::named("cut-short");
    let browser = site.browser_of(&owner).await?;
    browser.open("/").await?;
    browser.is_live().await?;
    let ask = "fetch('/slow/cut-short', { method: 'POST' })";
    let show = "document.documentElement.dataset.answer = answer.status";
    browser
        .execute(
            &format!("{ask}.then((answer) => {show}); return null"),
            vec![],
        )
        .await?;
    gate.begun().await?;
    owner.stop().await?;
    let gone = Locator::Css("html[data-answer='410']");
    browser.wait().for_element(gone).await?;
    // On PostgreSQL this waits for whoever has written the same address and is not done.
    let name = "Ada".to_owned();
    let email = email_at("cut-short");
    sign_up(&REPO, &SignUp { name, email }).await?;
    let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&site.pool)
        .await?;
    assert_eq!(guests, 1);
    Ok(())
}

/// A test that does not wait for what the server still does for it ends all the same.
#[sandboxed(drain = "abort")]
async fn a_test_ends_in_the_middle_of_a_browsers_request(site: Site) -> TestResult {
    let gate = Gate::named("ends");
    let browser = site.browser().await?;
    browser.open("/").await?;
    browser.is_live().await?;
    let ask = "fetch('/slow/ends', { method: 'POST' })";
    browser
        .execute(&format!("{ask}; return null"), vec![])
        .await?;
    gate.begun().await?;
    Ok(())
}
