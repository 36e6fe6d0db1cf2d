//! A server with sessions, on SQLite, and one client's session.

use crate::http::{Client, text_of};
use ::http::request::Parts;
use ::http::{Method, Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::routing::{get, post};
use heirloom::http::{SandboxLayer, SandboxRoutes, sandbox_routes};
use heirloom::{Owner, Repo};
use heirloom_tests::{MIGRATOR, count, insert};
use serde_json::Value;
use sqlx::{Sqlite, SqlitePool};
use std::net::SocketAddr;
use tokio::sync::{Notify, OnceCell};
use tower::ServiceExt as _;

pub(crate) static REPO: Repo<Sqlite> = Repo::new().migrator(&MIGRATOR);
pub(crate) static SECOND: Repo<Sqlite> = Repo::named("sessions_second").migrator(&MIGRATOR);

pub(crate) const ADA: &str = "ada@example.org";

/// The application's own databases, with a guest in each that no session may see.
pub(crate) async fn production() {
    static OPEN: OnceCell<()> = OnceCell::const_new();
    let open = async || {
        for repo in [&REPO, &SECOND] {
            let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
            let pool = options.connect("sqlite::memory:").await.unwrap();
            MIGRATOR.run(&pool).await.unwrap();
            repo.init(pool).unwrap();
            insert(repo, "production@example.org").await.unwrap();
        }
    };
    OPEN.get_or_init(open).await;
}

/// What `/wait` waits for. One test uses it.
pub(crate) static RELEASED: Notify = Notify::const_new();

/// As an application asks for its pool: that of whoever the request belongs to.
struct Database(SqlitePool);

impl<S: Sync> FromRequestParts<S> for Database {
    type Rejection = (StatusCode, String);

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let pool = REPO.pool().await.map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, error.to_string())
        })?;
        Ok(Self(pool))
    }
}

/// Guests: how many there are, and a new one.
pub(crate) fn application() -> Router {
    async fn guests(Database(pool): Database) -> String {
        let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
            .fetch_one(&pool)
            .await
            .unwrap();
        guests.to_string()
    }

    /// Answers when a test lets it.
    async fn wait() -> String {
        RELEASED.notified().await;
        count(&REPO)
            .await
            .map_or_else(|error| error.to_string(), |count| count.to_string())
    }

    /// Is never answered, in the middle of a transaction.
    async fn never() -> String {
        let mut transaction = REPO.begin().await.unwrap();
        let insert = sqlx::query("INSERT INTO guests (email) VALUES ('never@example.org')");
        insert.execute(&mut *transaction).await.unwrap();
        std::future::pending().await
    }

    async fn both() -> String {
        let one = count(&REPO).await.unwrap();
        format!("{one} {}", count(&SECOND).await.unwrap())
    }

    async fn sign_up(Path(email): Path<String>) -> StatusCode {
        match insert(&REPO, &email).await {
            Ok(()) => StatusCode::CREATED,
            Err(_) => StatusCode::CONFLICT,
        }
    }

    Router::new()
        .route("/guests", get(guests))
        .route("/both", get(both))
        .route("/wait", get(wait))
        .route("/never", get(never))
        .route("/sign-up/{email}", post(sign_up))
}

pub(crate) fn here() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 3000))
}

/// The routes as most tests have them.
pub(crate) fn routes() -> SandboxRoutes {
    sandbox_routes("/sandbox").repo(&REPO)
}

/// The application with these routes beside it.
pub(crate) fn server(routes: SandboxRoutes) -> Router {
    let sessions = routes.listening_at(here()).unwrap();
    application().layer(SandboxLayer::new()).merge(sessions)
}

/// One request in process.
pub(crate) async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    text_of(answer(app, request).await).await
}

pub(crate) async fn answer(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

pub(crate) fn request(
    method: Method,
    path: &str,
    agent: Option<&str>,
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:3000");
    if let Some(agent) = agent {
        request = request.header("user-agent", agent);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub(crate) fn post_session(body: &str) -> Request<Body> {
    request(Method::POST, "/sandbox", None, body)
}

/// A session, as its client knows it.
pub(crate) struct Session {
    pub(crate) agent: String,
    pub(crate) opened: Value,
}

impl Session {
    pub(crate) async fn open(app: &Router) -> Self {
        Self::wish(app, "").await
    }

    pub(crate) async fn wish(app: &Router, body: &str) -> Self {
        Self::wish_for(app, body).await.unwrap()
    }

    /// Where there may be no place.
    pub(crate) async fn try_open(app: &Router) -> Result<Self, String> {
        Self::wish_for(app, "").await
    }

    async fn wish_for(app: &Router, body: &str) -> Result<Self, String> {
        let (status, text) = ask(app, post_session(body)).await;
        if status != StatusCode::CREATED {
            return Err(text);
        }
        let opened: Value = serde_json::from_str(&text).unwrap();
        let agent = opened["user_agent"].as_str().unwrap().to_owned();
        Ok(Self { agent, opened })
    }

    pub(crate) async fn get(&self, app: &Router, path: &str) -> (StatusCode, String) {
        self.ask(app, Method::GET, path).await
    }

    pub(crate) async fn ask(
        &self,
        app: &Router,
        method: Method,
        path: &str,
    ) -> (StatusCode, String) {
        ask(app, request(method, path, Some(&self.agent), "")).await
    }

    pub(crate) async fn guests(&self, app: &Router) -> String {
        let (status, text) = self.get(app, "/guests").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }

    pub(crate) async fn sign_up(&self, app: &Router, email: &str) -> StatusCode {
        let path = format!("/sign-up/{email}");
        self.ask(app, Method::POST, &path).await.0
    }

    pub(crate) async fn state(&self, app: &Router) -> Value {
        let (status, text) = self.get(app, "/sandbox").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn delete(&self, app: &Router) -> (StatusCode, String) {
        self.ask(app, Method::DELETE, "/sandbox").await
    }

    pub(crate) fn token(&self) -> &str {
        self.opened["token"].as_str().unwrap()
    }

    /// Its owner, which is in this process.
    pub(crate) fn owner(&self) -> Owner {
        Owner::by_token(&self.token().parse().unwrap()).unwrap()
    }

    /// The same over a connection of its own.
    pub(crate) async fn over(
        &self,
        client: &mut Client,
        method: Method,
        path: &str,
    ) -> (StatusCode, String) {
        client
            .ask(request(method, path, Some(&self.agent), ""))
            .await
    }
}
