//! Signing and reading the book.

use crate::support::{TestApp, TestResult, count};
use axum::http::StatusCode;
use guestbook::{PageOf, Pool, list};
use heirloom::sandboxed;
use serde_json::Value;

fn texts(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().expect("entries");
    entries
        .iter()
        .map(|entry| entry["text"].as_str().expect("a text"))
        .collect()
}

#[sandboxed]
async fn guests_sign_the_book_and_everybody_reads_it_newest_first(app: TestApp) {
    app.sign_up("Ada", "ada@example.org").await;
    app.sign_up("Grace", "grace@example.org").await;
    let signed = app.sign("ada@example.org", "What a lovely engine!").await;
    assert_eq!(signed.status, StatusCode::CREATED);
    assert_eq!(signed.json()["name"], "Ada");
    app.sign("grace@example.org", "Found a moth.").await;

    let page = app.get("/api/entries").await.json();
    assert_eq!(texts(&page), ["Found a moth.", "What a lovely engine!"]);
    assert_eq!((&page["total"], &page["pages"]), (&2.into(), &1.into()));
    assert!(!page.to_string().contains('@'), "e-mails are shown: {page}");
}

#[sandboxed]
async fn only_guests_sign_the_book(app: TestApp) {
    let answer = app.sign("nobody@example.org", "Hello?").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.error(),
        "no guest has the e-mail nobody@example.org; sign up first"
    );
    assert_eq!(count(&app.pool, "entries").await, 0);
}

#[sandboxed(fixtures("guests"))]
async fn an_entry_has_something_to_say_and_an_end(app: TestApp) {
    let long = "a".repeat(1_001);
    for (text, reason) in [
        ("  \n", "write something"),
        (&*long, "at most 1000 characters"),
    ] {
        let answer = app.sign("ada@example.org", text).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.error().contains(reason), "{answer:?}");
    }
    assert_eq!(count(&app.pool, "entries").await, 0);
}

#[sandboxed(fixtures("guests", "entries"))]
async fn a_full_book_is_read_page_by_page(app: TestApp) {
    let first = app.get("/api/entries?per_page=2").await.json();
    assert_eq!(texts(&first), ["entry 5", "entry 4"]);
    assert_eq!((&first["total"], &first["pages"]), (&5.into(), &3.into()));
    let last = app.get("/api/entries?per_page=2&page=3").await.json();
    assert_eq!(texts(&last), ["entry 1"]);
    let beyond = app.get("/api/entries?per_page=2&page=4").await;
    assert_eq!(beyond.status, StatusCode::OK);
    assert!(texts(&beyond.json()).is_empty());
}

#[sandboxed]
async fn a_page_that_cannot_be_is_refused_with_the_reason(app: TestApp) {
    for (query, status) in [
        ("page=0", StatusCode::UNPROCESSABLE_ENTITY),
        ("page=9223372036854775807", StatusCode::UNPROCESSABLE_ENTITY),
        ("per_page=101", StatusCode::UNPROCESSABLE_ENTITY),
        ("page=two", StatusCode::BAD_REQUEST),
    ] {
        let answer = app.get(&format!("/api/entries?{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.error().contains("page"), "{answer:?}");
    }
}

#[sandboxed(migrator = guestbook::MIGRATOR, fixtures("guests", "entries"))]
async fn the_compiled_in_migrations_make_the_same_book(pool: Pool) -> TestResult {
    let book = list(&pool, PageOf::default()).await?;
    assert_eq!((book.total, book.entries.len()), (5, 5));
    Ok(())
}
