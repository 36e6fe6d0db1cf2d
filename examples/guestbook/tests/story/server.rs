//! The server on a real port: hyper's own tasks stand between the test and the handlers.

use crate::support::{TestResult, TestServer, count};
use heirloom::sandboxed;

#[sandboxed]
async fn a_request_over_tcp_reaches_this_tests_database(server: TestServer) -> TestResult {
    let form = "name=Ada&email=ada%40example.org";
    let answer = server.ask("POST /sign-up", form).await?;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(count(&server.pool, "guests").await, 1);
    let answer = server.ask("POST /sign-up", form).await?;
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    let answer = server.ask("GET /api/statistics", "").await?;
    assert!(answer.ends_with(r#"{"guests":1,"entries":0}"#), "{answer}");
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2, fixtures("guests"))]
async fn many_requests_at_once_over_tcp_stay_in_this_tests_database(
    server: TestServer,
) -> TestResult {
    let form = "email=ada%40example.org&text=Hello";
    let ask = || server.ask("POST /sign", form);
    let answers = tokio::try_join!(ask(), ask(), ask(), ask())?;
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    }
    assert_eq!(count(&server.pool, "entries").await, 4);
    let page = server.ask("GET /", "").await?;
    assert!(page.contains("4 entries"), "{page}");
    Ok(())
}

#[sandboxed]
async fn the_page_is_html_that_a_browser_shows(server: TestServer) -> TestResult {
    let answer = server.ask("GET /", "").await?;
    assert!(answer.contains("content-type: text/html; charset=utf-8"));
    assert!(answer.contains("<title>Guestbook</title>") && answer.contains("0 entries"));
    Ok(())
}
