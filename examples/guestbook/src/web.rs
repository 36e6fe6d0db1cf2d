//! What the guestbook answers to: a page for people, JSON for programs.

use crate::app::Shared;
use crate::database::{Book, Pool};
use crate::entries::{self, Entries, Entry, NewEntry, PageOf};
use crate::error::Error;
use crate::guests::{self, Guest, SignUp};
use crate::live::{self, Live};
use crate::page::{self, Forms, Notice};
use crate::statistics::{Counter, Statistics, Summary};
use crate::welcome::welcome;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Form, Json, Router};
use heirloom::http::SandboxLayer;
use serde::Deserialize;
use tokio_util::task::TaskTracker;

pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(read_page))
        .route("/page.js", get(script))
        .route("/live", any(live::follow))
        .route("/sign-up", post(sign_up_on_page))
        .route("/sign", post(sign_on_page))
        .route("/api/guests", post(sign_up))
        .route("/api/entries", get(list).post(sign))
        .route("/api/statistics", get(statistics))
        .with_state(shared)
        // A browser of a test is served as that test. In production nothing is here.
        .layer(SandboxLayer::new())
}

/// Signs somebody up, with everything that follows from it.
async fn join(
    pool: Pool,
    statistics: &Statistics,
    tasks: &TaskTracker,
    new: &SignUp,
) -> Result<Guest, Error> {
    let guest = guests::sign_up(&pool, new).await?;
    statistics.count(Counter::Guests).await;
    welcome(tasks, pool, guest.clone());
    Ok(guest)
}

async fn sign_up(
    Book(pool): Book,
    State(statistics): State<Statistics>,
    State(tasks): State<TaskTracker>,
    new: Result<Json<SignUp>, JsonRejection>,
) -> Result<(StatusCode, Json<Guest>), Error> {
    let Json(new) = new?;
    let guest = join(pool, &statistics, &tasks, &new).await?;
    Ok((StatusCode::CREATED, Json(guest)))
}

/// Writes an entry, with everything that follows from it.
async fn write(
    pool: &Pool,
    statistics: &Statistics,
    live: &Live,
    new: &NewEntry,
) -> Result<Entry, Error> {
    let entry = entries::sign(pool, new).await?;
    live.tell(&entry);
    statistics.count(Counter::Entries).await;
    Ok(entry)
}

async fn sign(
    Book(pool): Book,
    State(statistics): State<Statistics>,
    State(live): State<Live>,
    new: Result<Json<NewEntry>, JsonRejection>,
) -> Result<(StatusCode, Json<Entry>), Error> {
    let Json(new) = new?;
    let entry = write(&pool, &statistics, &live, &new).await?;
    Ok((StatusCode::CREATED, Json(entry)))
}

async fn list(
    Book(pool): Book,
    of: Result<Query<PageOf>, QueryRejection>,
) -> Result<Json<Entries>, Error> {
    let Query(of) = of?;
    Ok(Json(entries::list(&pool, of).await?))
}

async fn statistics(State(statistics): State<Statistics>) -> Result<Json<Summary>, Error> {
    Ok(Json(statistics.summary().await?))
}

/// What the address of the page may say.
#[derive(Debug, Deserialize)]
struct Visit {
    page: Option<i64>,
    notice: Option<Notice>,
}

async fn read_page(
    Book(pool): Book,
    visit: Result<Query<Visit>, QueryRejection>,
) -> Result<Html<String>, Error> {
    let Query(visit) = visit?;
    let of = PageOf {
        page: visit.page.unwrap_or(1),
        ..PageOf::default()
    };
    let book = entries::list(&pool, of).await?;
    let forms = Forms {
        notice: visit.notice,
        ..Forms::default()
    };
    Ok(Html(page::render(&book, &forms)))
}

async fn script() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind], include_str!("page.js"))
}

async fn sign_up_on_page(
    Book(pool): Book,
    State(statistics): State<Statistics>,
    State(tasks): State<TaskTracker>,
    new: Result<Form<SignUp>, FormRejection>,
) -> Result<Response, Error> {
    let Form(sign_up) = new?;
    match join(pool.clone(), &statistics, &tasks, &sign_up).await {
        Ok(_) => Ok(Redirect::to("/?notice=joined").into_response()),
        Err(error) => {
            let forms = Forms {
                sign_up,
                ..Forms::default()
            };
            again(&pool, forms, &error).await
        }
    }
}

async fn sign_on_page(
    Book(pool): Book,
    State(statistics): State<Statistics>,
    State(live): State<Live>,
    new: Result<Form<NewEntry>, FormRejection>,
) -> Result<Response, Error> {
    let Form(entry) = new?;
    match write(&pool, &statistics, &live, &entry).await {
        Ok(_) => Ok(Redirect::to("/?notice=signed").into_response()),
        Err(error) => {
            let forms = Forms {
                entry,
                ..Forms::default()
            };
            again(&pool, forms, &error).await
        }
    }
}

/// The page once more, with what was typed and why it cannot be taken.
async fn again(pool: &Pool, forms: Forms, error: &Error) -> Result<Response, Error> {
    let book = entries::list(pool, PageOf::default()).await?;
    let forms = Forms {
        error: Some(error.told()),
        ..forms
    };
    Ok((error.status(), Html(page::render(&book, &forms))).into_response())
}
