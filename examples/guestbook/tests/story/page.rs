//! The page that people use.

use crate::support::{TestApp, count};
use axum::http::StatusCode;
use heirloom::sandboxed;

#[sandboxed]
async fn a_person_signs_up_and_signs_the_book_with_the_pages_forms(app: TestApp) {
    let joined = app
        .post_form("/sign-up", "name=Ada&email=ada%40example.org")
        .await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER);
    assert_eq!(joined.location.as_deref(), Some("/?notice=joined"));
    let signed = app
        .post_form(
            "/sign",
            "email=ada%40example.org&text=%3Cb%3Ehello%3C%2Fb%3E",
        )
        .await;
    assert_eq!(signed.location.as_deref(), Some("/?notice=signed"));

    let page = app.get("/?notice=signed").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Thank you for your entry."));
    assert!(page.body.contains("&lt;b&gt;hello&lt;/b&gt;"), "{page:?}");
    assert!(page.body.contains("1 entry"));
    assert!(!page.body.contains("ada@example.org"), "e-mails are shown");
}

#[sandboxed]
async fn a_refused_form_comes_back_with_what_was_typed_and_why(app: TestApp) {
    app.sign_up("Ada", "ada@example.org").await;
    let page = app
        .post_form("/sign-up", "name=%22Other%22&email=ada%40example.org")
        .await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.body.contains("ada@example.org has signed up already"));
    assert!(
        page.body.contains("value=\"&quot;Other&quot;\""),
        "{page:?}"
    );
    let page = app
        .post_form("/sign", "email=who%40example.org&text=Hello")
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains(">Hello</textarea>"), "{page:?}");
    assert_eq!(count(&app.pool, "entries").await, 0);
}

#[sandboxed(fixtures("guests", "entries", "more_entries"))]
async fn a_long_book_has_pages_to_turn(app: TestApp) {
    let first = app.get("/").await.body;
    assert!(
        first.contains("page 1 of 2") && first.contains("href=\"/?page=2\" rel=\"next\">older")
    );
    assert!(!first.contains("newer"));
    let second = app.get("/?page=2").await.body;
    assert!(
        second.contains("page 2 of 2") && second.contains("href=\"/?page=1\" rel=\"prev\">newer")
    );
    assert!(second.contains("entry 1<") && !second.contains("older"));
}
