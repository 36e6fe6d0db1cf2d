//! How sessions end without their client: by time, with the server, half opened.

use crate::server::{
    RELEASED, REPO, Session, answer, ask, post_session, production, routes, server,
};
use ::http::{Method, StatusCode};
use heirloom::{Error, FutureExt as _, Owner};
use heirloom_tests::{eventually, file_of};
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

async fn file_in(owner: &Owner) -> PathBuf {
    async { file_of(&REPO).await.unwrap() }
        .owned_by(owner)
        .await
}

/// Until it has ended, and nothing of it is left.
async fn is_gone(token: &str, file: PathBuf) {
    let token = token.parse().unwrap();
    eventually(|| match Owner::by_token(&token) {
        Ok(owner) => Err(format!("{owner:?}")),
        Err(Error::OwnerEnded { .. }) if file.exists() => Err("its file is there".to_owned()),
        Err(Error::OwnerEnded { .. }) => Ok(()),
        Err(other) => panic!("{other}"),
    })
    .await;
}

#[tokio::test]
async fn a_session_whose_client_has_vanished_ends_by_itself_and_takes_no_place() {
    production().await;
    for wish in [
        r#"{"timeout_ms": 300}"#,
        r#"{"timeout_ms": 300, "sliding": false}"#,
    ] {
        let app = server(routes().limit(1));
        let session = Session::wish(&app, wish).await;
        let token: heirloom::Token = session.token().parse().unwrap();
        let name = session.opened["name"].as_str().unwrap();
        // Looked for by its name, as its token would be a use of it.
        eventually(|| {
            let owners = heirloom::inspect().owners;
            match owners.iter().find(|owner| owner.name == name) {
                Some(owner) => Err(format!("{owner:?}")),
                None => Ok(()),
            }
        })
        .await;
        let error = Owner::by_token(&token).unwrap_err();
        assert!(matches!(error, Error::OwnerEnded { .. }), "{error}");
        let (status, text) = session.get(&app, "/guests").await;
        assert_eq!(status, StatusCode::GONE);
        assert!(
            text.contains(name) && text.contains("http_sessions"),
            "{text}"
        );
        // Its place is free when everything is rolled back.
        let next = heirloom::eventually(|| Session::try_open(&app)).await;
        next.unwrap().delete(&app).await;
    }
}

#[tokio::test]
async fn a_session_that_is_used_has_all_of_its_time_again_unless_it_is_absolute() {
    production().await;
    let app = server(routes().timeout(Duration::from_mins(30)));
    let total = 30 * 60 * 1000;
    for (wish, slides) in [("", true), (r#"{"sliding": false}"#, false)] {
        let session = Session::wish(&app, wish).await;
        let millis = |state: &serde_json::Value, field: &str| state[field].as_u64().unwrap();
        let state = loop {
            let state = session.state(&app).await;
            if millis(&state, "age_ms") >= 100 {
                break session.state(&app).await;
            }
            tokio::task::yield_now().await;
        };
        // Of a session that slides the time that it was used in comes on top.
        let sum = millis(&state, "age_ms") + millis(&state, "expires_in_ms");
        assert_eq!(sum > total, slides, "{state}");
        session.delete(&app).await;
    }
    let absolute = server(routes().absolute());
    let session = Session::open(&absolute).await;
    assert_eq!(session.opened["sliding"], false);
    session.delete(&absolute).await;
}

#[tokio::test]
async fn what_somebody_keeps_of_a_session_is_told_when_it_is_deleted() {
    production().await;
    let app = server(routes());
    let session = Session::open(&app).await;
    let kept = async { REPO.pool().await.unwrap().acquire().await.unwrap() };
    let kept = kept.owned_by(&session.owner()).await;
    let (status, text) = session.delete(&app).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
    assert!(
        text.contains("connection") && text.contains("help: "),
        "{text}"
    );
    assert!(!text.contains(session.token()), "{text}");
    let (status, _) = session.get(&app, "/guests").await;
    assert_eq!(status, StatusCode::GONE, "it has ended all the same");
    drop(kept);
}

#[tokio::test]
async fn a_session_does_not_end_while_a_request_of_it_is_answered() {
    production().await;
    let app = server(routes());
    let session = Session::wish(&app, r#"{"name": "slow", "timeout_ms": 1000}"#).await;
    let waiting = async {
        // Not asked by its token, which would be a use.
        let old_enough = || {
            let owners = heirloom::inspect().owners;
            let owner = owners.iter().find(|owner| owner.name == "slow");
            let ran = owner.expect("it does not end").ran;
            let old = ran > Duration::from_secs(3);
            if old { Ok(()) } else { Err(format!("{ran:?}")) }
        };
        eventually(old_enough).await;
        RELEASED.notify_one();
    };
    let (answer, ()) = futures_util::future::join(session.get(&app, "/wait"), waiting).await;
    assert_eq!(answer, (StatusCode::OK, "0".to_owned()));
    eventually(|| {
        let owners = heirloom::inspect().owners;
        let left = owners.iter().find(|owner| owner.name == "slow");
        left.map_or(Ok(()), |owner| Err(format!("{owner:?}")))
    })
    .await;
}

#[tokio::test]
async fn with_the_server_its_sessions_end_and_nothing_is_left() {
    production().await;
    let app = server(routes());
    let mut left = Vec::new();
    for _ in 0..3 {
        let session = Session::open(&app).await;
        let file = file_in(&session.owner()).await;
        assert!(file.exists());
        left.push((session.token().to_owned(), file));
    }
    drop(app);
    for (token, file) in left {
        is_gone(&token, file).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_session_is_opened_leaves_none() {
    production().await;
    let app = server(routes().limit(1));
    let mut was_dropped = 0;
    for polls in 0..200 {
        let wish = r#"{"name": "half opened"}"#;
        let mut opening = Some(Box::pin(answer(&app, post_session(wish))));
        let mut left = polls;
        let opened = poll_fn(|cx| {
            if left == 0 {
                opening = None;
                return Poll::Ready(None);
            }
            left -= 1;
            let running = opening.as_mut().unwrap();
            match running.as_mut().poll(cx) {
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if let Some(answered) = opened {
            assert_eq!(answered.status(), StatusCode::CREATED);
            break;
        }
        was_dropped += 1;
        // It takes no place at once.
        let next = Session::wish(&app, r#"{"name": "whole"}"#).await;
        assert_eq!(next.delete(&app).await.0, StatusCode::OK);
        let owners = heirloom::inspect().owners;
        assert!(owners.iter().all(|owner| owner.name != "half opened"));
    }
    assert!(was_dropped > 0);
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_session_is_ended_has_ended_it() {
    production().await;
    let app = server(routes());
    let session = Session::open(&app).await;
    let file = file_in(&session.owner()).await;
    {
        let mut ending = pin!(session.delete(&app));
        poll_fn(|cx| {
            // Begun, not finished.
            drop(ending.as_mut().poll(cx));
            Poll::Ready(())
        })
        .await;
    }
    is_gone(session.token(), file).await;
}

#[tokio::test]
async fn of_two_that_end_a_session_one_does_and_the_other_is_told() {
    production().await;
    let app = server(routes());
    for _ in 0..20 {
        let session = Session::open(&app).await;
        let both = futures_util::future::join(session.delete(&app), session.delete(&app)).await;
        let mut statuses = [both.0.0, both.1.0];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::GONE], "{both:?}");
        let (status, text) = session.delete(&app).await;
        assert_eq!(status, StatusCode::GONE);
        let name = session.opened["name"].as_str().unwrap();
        assert!(
            text.contains(name) && !text.contains(session.token()),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_under_way_when_its_session_ends_is_told_and_keeps_nothing() {
    production().await;
    let app = server(routes());
    let session = Session::open(&app).await;
    let file = file_in(&session.owner()).await;
    let ending = async {
        // The handler holds a connection, in a transaction.
        let holds = heirloom::eventually(|| async {
            let state = session.state(&app).await["sessions"][0]["state"].to_string();
            if state.contains("0 idle") {
                Ok(())
            } else {
                Err(state)
            }
        });
        holds.await.unwrap();
        session.delete(&app).await
    };
    let (never, ended) = futures_util::future::join(session.get(&app, "/never"), ending).await;
    assert_eq!(ended.0, StatusCode::OK, "{}", ended.1);
    assert_eq!(never.0, StatusCode::GONE, "{}", never.1);
    assert!(!file.exists());
}

#[test]
fn a_session_whose_runtime_is_gone_ends_like_any_other_and_takes_no_place() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let main = runtime();
    main.block_on(production());
    let app = server(routes().limit(1));
    for wish in ["", r#"{"timeout_ms": 50}"#] {
        let session = runtime().block_on(Session::wish(&app, wish));
        main.block_on(async {
            if wish.is_empty() {
                let (status, text) = session.delete(&app).await;
                assert_eq!(status, StatusCode::OK, "{text}");
            }
            let next = heirloom::eventually(|| Session::try_open(&app)).await;
            next.unwrap().delete(&app).await;
        });
    }
}

#[tokio::test]
async fn a_session_is_not_ended_from_inside() {
    production().await;
    let sessions = routes().listening_at(crate::server::here()).unwrap();
    let inside = crate::server::application()
        .merge(sessions)
        .layer(heirloom::http::SandboxLayer::new());
    let session = Session::open(&inside).await;
    let (status, text) = session.delete(&inside).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("beside `SandboxLayer`"), "{text}");
    assert_eq!(session.guests(&inside).await, "0", "it goes on");
    let again = ask(
        &inside,
        crate::server::request(Method::GET, "/sandbox", Some(&session.agent), ""),
    );
    assert_eq!(again.await.0, StatusCode::OK);
}
