//! Answers the requests at the routes: opens, shows and ends sessions.

use super::sessions::{Refusal, Session, Sessions};
use super::tokens::{Tokens, user_agent};
use super::visitor;
use super::wish::{HELP, LARGEST, Wish};
use crate::context;
use crate::error::{SessionView, with_causes};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What the handlers know.
pub(super) struct Shared {
    pub(super) sessions: Arc<Sessions>,
    pub(super) tokens: Tokens,
    pub(super) remote: bool,
}

/// Opens a session.
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Answer, Answer> {
    let (parts, body) = request.into_parts();
    shared.check(&parts)?;
    let wish = shared.wish(body).await?;
    let session = shared.sessions.open(wish).await.map_err(refused)?;
    let accept = parts.headers.get(header::ACCEPT);
    let wants_text = accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if wants_text {
        let suffix = user_agent(&session.owner);
        return Ok(Answer::text(StatusCode::CREATED, suffix));
    }
    let opened = shared.opened(&session);
    Ok(Answer::json(StatusCode::CREATED, &opened))
}

/// Shows a session.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Answer, Answer> {
    let session = shared.session_of(&request.into_parts().0)?;
    Ok(Answer::json(StatusCode::OK, &view(&session)))
}

/// Ends a session.
pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Answer, Answer> {
    let session = shared.session_of(&request.into_parts().0)?;
    if context::current().as_ref() == Some(&session.owner) {
        return Err(Answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this request runs as the session that it is to end\n\n  help: put the routes beside `SandboxLayer`, not into it: \
             `app.layer(SandboxLayer::new()).merge(sessions)`",
        ));
    }
    let name = session.owner.name();
    match session.end().await {
        Some(Ok(())) => Ok(Answer::text(
            StatusCode::OK,
            format!("the session `{name}` has ended, and everything in it is rolled back"),
        )),
        Some(Err(error)) => Err(Answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            with_causes(&error),
        )),
        None => Err(Answer::text(
            StatusCode::GONE,
            format!("the session `{name}` is being ended already"),
        )),
    }
}

impl Shared {
    fn check(&self, parts: &request::Parts) -> Result<(), Answer> {
        let checked = if self.remote {
            visitor::check_remote(parts)
        } else {
            visitor::check(parts)
        };
        checked.map_err(|stranger| Answer::text(StatusCode::FORBIDDEN, stranger.to_string()))
    }

    async fn wish(&self, body: Body) -> Result<Wish, Answer> {
        let wrong =
            |why: String| Answer::text(StatusCode::BAD_REQUEST, format!("{why}\n\n  help: {HELP}"));
        let body = to_bytes(body, LARGEST).await.map_err(|_| {
            wrong(format!(
                "the body is longer than {LARGEST} bytes, or broke off"
            ))
        })?;
        Wish::read(&body, self.sessions.rules.timeout).map_err(wrong)
    }

    /// The session that a request names.
    fn session_of(&self, parts: &request::Parts) -> Result<Arc<Session>, Answer> {
        self.check(parts)?;
        let owner = self.tokens.owner_in(&parts.headers);
        let owner = owner.map_err(|refused| Answer::text(refused.status(), refused.to_string()))?;
        let owner = owner.ok_or_else(|| {
            let name = self.tokens.name();
            Answer::text(
                StatusCode::BAD_REQUEST,
                format!(
                    "which session? there is no token in the header `{name}`\n\n  help: send what `POST` has answered as `header`"
                ),
            )
        })?;
        self.sessions
            .of(&owner)
            .ok_or_else(|| match self.tokens.owner_in(&parts.headers) {
                // It has ended between the two looks.
                Err(refused) => Answer::text(refused.status(), refused.to_string()),
                Ok(_) => Answer::text(
                    StatusCode::FORBIDDEN,
                    format!("`{owner}` is not a session of these routes, and ends by itself"),
                ),
            })
    }

    fn opened(&self, session: &Session) -> Value {
        let owner = &session.owner;
        json!({
            "name": owner.name(),
            "token": owner.token().to_string(),
            "user_agent": user_agent(owner),
            "header": { "name": self.tokens.name().as_str(), "value": self.tokens.value(owner) },
            "expires_in_ms": millis(session.left()),
            "sliding": session.sliding,
        })
    }
}

fn refused(refusal: Refusal) -> Answer {
    let full = |why: String| Answer {
        again: true,
        ..Answer::text(StatusCode::SERVICE_UNAVAILABLE, why)
    };
    match refusal {
        Refusal::Full { limit } => full(format!(
            "there are {limit} sessions, as many as there may be\n\n  help: end those that are done with `DELETE`, or allow more: \
             `sandbox_routes(..).limit(..)`"
        )),
        Refusal::Late { waited, open } => full(format!(
            "the database gave no session within {waited:?}; {open} are open\n\n  help: end those that are done with `DELETE`, open fewer \
             at once, or give this process more of the server's connections: HEIRLOOM_MAX_CONNECTIONS"
        )),
        Refusal::Failed(error) => {
            Answer::text(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&error))
        }
    }
}

fn view(session: &Session) -> Value {
    let sessions = session.owner.sessions();
    json!({
        "name": session.owner.name(),
        "age_ms": millis(session.age()),
        "expires_in_ms": millis(session.left()),
        "sliding": session.sliding,
        "sessions": sessions.iter().map(view_of).collect::<Vec<_>>(),
    })
}

fn view_of(session: &SessionView) -> Value {
    json!({
        "repo": session.repo,
        "database": session.database,
        "state": session.state,
        "held_ms": millis(session.held),
        "users": session.users,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a client is told.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: String,
    /// Whether it may go well in a moment.
    again: bool,
}

impl Answer {
    fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: text.into(),
            again: false,
        }
    }

    fn json(status: StatusCode, value: &Value) -> Self {
        Self {
            kind: "application/json",
            ..Self::text(status, value.to_string())
        }
    }
}

/// Nothing of it is to be kept by anybody on the way.
impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (self.status, headers, self.body).into_response();
        if self.again {
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_place_is_told_why_and_that_there_may_be_one_soon() {
        for (refusal, says) in [
            (Refusal::Full { limit: 64 }, "there are 64 sessions"),
            (
                Refusal::Late {
                    waited: Duration::from_secs(30),
                    open: 7,
                },
                "no session within 30s; 7 are open",
            ),
        ] {
            let answer = refused(refusal);
            assert!(
                answer.body.contains(says) && answer.body.contains("help: "),
                "{}",
                answer.body
            );
            let response = answer.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
    }
}
