//! Sessions for whoever asks for them over HTTP: suites in other languages, and people, against a running server.

mod handlers;
mod sessions;
mod tokens;
mod visitor;
mod wish;

use crate::error::Error;
use crate::repo::{Repo, Supported};
use axum::Router;
use axum::http::HeaderName;
use axum::routing::post;
use handlers::{Shared, end, open, show};
use sessions::{Rules, Sessions};
use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;

/// Routes at which sessions are opened and ended, for suites that are not written in Rust: see [`SandboxRoutes`].
///
/// # Panics
///
/// When a request comes in outside of a tokio runtime with time, which no server does.
#[track_caller]
pub fn sandbox_routes(path: impl Into<String>) -> SandboxRoutes {
    SandboxRoutes {
        path: path.into(),
        at: Location::caller(),
        remote: false,
        tokens: Tokens::default(),
        rules: Rules {
            at: Location::caller().into(),
            repos: Vec::new(),
            timeout: TIMEOUT,
            sliding: true,
            limit: LIMIT,
        },
    }
}

/// Twice as long as a test of Playwright may take by default, of which a single pause is a part.
const TIMEOUT: Duration = Duration::from_mins(1);

/// More than any test runner has workers.
const LIMIT: usize = 64;

/// Hands out sessions over HTTP. From [`sandbox_routes`].
///
/// | request | answer |
/// |---|---|
/// | `POST` | 201 and a session on every repo, as JSON: `token`, `user_agent` and `header`, one of which each request of the session is to carry; with `accept: text/plain` only what is to be put at the end of the user agent. A body may be a JSON object with `name` (for messages), `timeout_ms` and `sliding` |
/// | `GET` with the token | 200 and its state, as JSON: name, age, time left, its sessions on the repos and who uses them |
/// | `DELETE` with the token | 200 when everything is rolled back; 410 when it has ended already |
///
/// Requests that carry the token run on the session's view of the database, because of the application's
/// [`SandboxLayer`](super::SandboxLayer); all others on the application's own. The routes go beside that layer, not into it:
///
/// ```
/// use axum::{Router, routing::get};
/// use heirloom::http::{SandboxLayer, sandbox_routes};
/// use heirloom::Repo;
/// use sqlx::Sqlite;
///
/// static REPO: Repo<Sqlite> = Repo::new(); // .migrator(&MIGRATOR)
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let app: Router = Router::new().route("/", get(|| async { "hello" }));
/// let sessions = sandbox_routes("/sandbox").repo(&REPO).listening_at(listener.local_addr()?)?;
/// let app = app.layer(SandboxLayer::new()).merge(sessions); // axum::serve(listener, app).await?
/// # drop(app);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A client that vanishes leaves nothing: its session ends by itself, rolled back, and so do all when the server stops.
/// Whoever can reach the routes can have the database do work, so they are for test servers, on this machine: they refuse a
/// build without the `sandbox` feature, other addresses, other machines, and pages from other sites.
#[must_use = "there are no routes until it is said where the server listens"]
pub struct SandboxRoutes {
    path: String,
    at: &'static Location<'static>,
    remote: bool,
    tokens: Tokens,
    rules: Rules,
}

impl SandboxRoutes {
    /// Opens a session on this repo, too, before `POST` is answered: on all that are named or on none. On others it opens on
    /// first use.
    ///
    /// It starts with the repo's own migrations, [`Repo::migrator`]. Without them the default repo has those beside the
    /// package's `Cargo.toml`, if it is cargo that runs the server; otherwise a session starts empty on SQLite, and as the
    /// application's database is on PostgreSQL.
    pub fn repo<DB: Supported>(mut self, repo: &'static Repo<DB>) -> Self {
        let add = Box::new(move |start: crate::StartOwner| start.repo(repo));
        self.rules.repos.push((repo.name(), add));
        self
    }

    /// How long a session lasts after it was last named by its token, [or after its start](Self::absolute). Wall-clock. A
    /// client may wish otherwise, up to an hour or this, whichever is more. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.rules.timeout = timeout;
        self
    }

    /// Lets the time of a session run from its start, however much it is used. Default: from its last use.
    pub fn absolute(mut self) -> Self {
        self.rules.sliding = false;
        self
    }

    /// How many sessions there may be at once; more are refused until one has ended. Default 64. PostgreSQL may have fewer
    /// connections than that: then clients wait, for 30 s at most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.rules.limit = limit;
        self
    }

    /// Takes the token from this header, whose whole value it is, and not from the user agent: as the application's
    /// [`SandboxLayer::header`](super::SandboxLayer::header).
    pub fn header(mut self, name: HeaderName) -> Self {
        self.tokens.header = Some(name);
        self
    }

    /// Lets other machines have sessions, too: where the network between is yours, as that of containers is.
    pub fn allow_remote(mut self) -> Self {
        self.remote = true;
        self
    }

    /// The routes, for a server that listens at this address: `listener.local_addr()?`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSandboxRoutes`] when the address is not one of this machine's own (`127.0.0.1`, `[::1]`), unless
    /// [`allow_remote`](Self::allow_remote) says so; when the path does not start with `/` or has parameters; and in every
    /// build without the `sandbox` feature.
    pub fn listening_at(self, address: SocketAddr) -> Result<Router, Error> {
        // Parameters are axum's, which panics where they are malformed, and there is nothing that they could mean.
        if !self.path.starts_with('/') || self.path.contains([':', '*', '{', '}']) {
            return Err(self.refused(
                "a path starts with `/` and has no parameters".to_owned(),
                "write it as in a URL: `sandbox_routes(\"/sandbox\")`",
            ));
        }
        if !self.remote && !address.ip().to_canonical().is_loopback() {
            return Err(self.refused(
                format!("the server listens at {address}, where other machines can reach it"),
                "let it listen at 127.0.0.1, or say `.allow_remote()` where the network between is yours",
            ));
        }
        let state = Arc::new(Shared {
            sessions: Arc::new(Sessions::new(self.rules)),
            tokens: self.tokens,
            remote: self.remote,
        });
        let methods = post(open).get(show).delete(end);
        Ok(Router::new().route(&self.path, methods).with_state(state))
    }

    fn refused(self, why: String, help: &'static str) -> Error {
        Error::NoSandboxRoutes {
            path: self.path,
            at: self.at,
            why,
            help,
        }
    }
}

impl fmt::Debug for SandboxRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repos: Vec<_> = self.rules.repos.iter().map(|(name, _)| name).collect();
        f.debug_struct("SandboxRoutes")
            .field("path", &self.path)
            .field("repos", &repos)
            .field("timeout", &self.rules.timeout)
            .field("sliding", &self.rules.sliding)
            .field("limit", &self.rules.limit)
            .finish_non_exhaustive()
    }
}
