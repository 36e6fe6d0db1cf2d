//! The same on PostgreSQL, where a session is a transaction on the server.

use crate::server::{ask, here, post_session, request};
use ::http::{Method, StatusCode};
use axum::Router;
use axum::routing::{get, post};
use heirloom::Repo;
use heirloom::http::{SandboxLayer, sandbox_routes};
use heirloom_tests::MIGRATOR;
use heirloom_tests::postgres::{connect, url};
use sqlx::Postgres;
use std::process::Command;
use std::time::Duration;

const ADA: &str = "INSERT INTO guests (id, email) VALUES (1, 'ada@example.org')";

async fn guests(repo: &Repo<Postgres>) -> String {
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests").fetch_one(repo);
    count
        .await
        .map_or_else(|error| error.to_string(), |count| count.to_string())
}

fn server(repo: &'static Repo<Postgres>) -> Router {
    let sign_up = async move || {
        sqlx::query(ADA)
            .execute(repo)
            .await
            .map(drop)
            .is_ok()
            .to_string()
    };
    let sessions = sandbox_routes("/sandbox").repo(repo).listening_at(here());
    Router::new()
        .route("/guests", get(async move || guests(repo).await))
        .route("/ada", post(sign_up))
        .layer(SandboxLayer::new())
        .merge(sessions.unwrap())
}

async fn open(app: &Router, wish: &str) -> String {
    let (status, text) = ask(app, post_session(wish)).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let opened: serde_json::Value = serde_json::from_str(&text).unwrap();
    opened["user_agent"].as_str().unwrap().to_owned()
}

async fn sees(app: &Router, agent: Option<&str>) -> String {
    let (status, text) = ask(app, request(Method::GET, "/guests", agent, "")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    text
}

/// Whether no transaction on the databases of a repo has written anything.
async fn all_is_rolled_back(repo: &str) -> Result<(), String> {
    let writers = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM pg_stat_activity WHERE strpos(datname, $1) > 0 AND backend_xid IS NOT NULL AND backend_type = 'client backend'",
    );
    let mut connection = connect(&url()).await;
    let writers = writers.bind(repo).fetch_one(&mut connection);
    match writers.await.unwrap() {
        0 => Ok(()),
        writers => Err(format!("{writers} transactions have written")),
    }
}

#[tokio::test]
async fn a_session_is_a_transaction_that_is_rolled_back_when_it_is_ended() {
    static REPO: Repo<Postgres> = Repo::named("sessions_ended").migrator(&MIGRATOR);
    let app = server(&REPO);
    let (ada, bob) = (open(&app, "").await, open(&app, "").await);
    let sign_up = request(Method::POST, "/ada", Some(&ada), "");
    assert_eq!(ask(&app, sign_up).await.1, "true");
    assert_eq!(sees(&app, Some(&ada)).await, "1");
    assert_eq!(sees(&app, Some(&bob)).await, "0");
    assert!(all_is_rolled_back("sessions_ended").await.is_err());
    for agent in [&ada, &bob] {
        let delete = request(Method::DELETE, "/sandbox", Some(agent), "");
        let (status, text) = ask(&app, delete).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    assert_eq!(all_is_rolled_back("sessions_ended").await, Ok(()));
    let next = open(&app, "").await;
    assert_eq!(sees(&app, Some(&next)).await, "0");
}

#[tokio::test]
async fn requests_without_a_token_use_the_applications_own_database() {
    static REPO: Repo<Postgres> = Repo::named("sessions_own").migrator(&MIGRATOR);
    let pool = sqlx::PgPool::connect_lazy(&url()).unwrap();
    REPO.init(pool.clone()).unwrap();
    let app = server(&REPO);
    let agent = open(&app, "").await;
    assert_eq!(sees(&app, Some(&agent)).await, "0");
    let own: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&REPO)
        .await
        .unwrap();
    let base: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(own, base);
    // It has no table of that name.
    assert!(sees(&app, None).await.contains("guests"));
}

#[tokio::test]
async fn of_a_vanished_client_no_transaction_is_left_nor_of_a_server_that_stops() {
    static REPO: Repo<Postgres> = Repo::named("sessions_vanished").migrator(&MIGRATOR);
    let app = server(&REPO);
    // Longer than the longest session below.
    let patience = Duration::from_mins(1);
    let rolled_back =
        || heirloom::eventually_within(patience, || all_is_rolled_back("sessions_vanished"));
    let sign_up = async |agent: &str| {
        let sign_up = request(Method::POST, "/ada", Some(agent), "");
        ask(&app, sign_up).await.0 == StatusCode::OK
    };
    // As short as lets it write before it ends.
    let mut timeout = 500;
    while !sign_up(&open(&app, &format!(r#"{{"timeout_ms": {timeout}}}"#)).await).await {
        timeout *= 4;
    }
    rolled_back().await.unwrap();
    // The same address, which would have to wait for the other's transaction.
    assert!(sign_up(&open(&app, "").await).await);
    assert!(all_is_rolled_back("sessions_vanished").await.is_err());
    drop(app);
    rolled_back().await.unwrap();
}

#[test]
fn a_server_that_no_variable_tells_of_its_database_has_sessions_beside_that_of_its_pool() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_heirloom-child"));
    server
        .args(["pool-only", &url()])
        .env_remove("DATABASE_URL");
    let told = server.output().unwrap();
    let complaint = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.success(), "{complaint}");
    let told = String::from_utf8(told.stdout).unwrap();
    let (own, sessions) = told.trim().split_once(' ').unwrap();
    assert!(sessions.starts_with(&format!("{own}_heirloom_")), "{told}");
}
