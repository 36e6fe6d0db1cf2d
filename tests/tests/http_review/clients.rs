//! Clients that go away, and that block.

use crate::app::REPO;
use crate::http::{Client, get, serve};
use axum::Router;
use axum::extract::Path;
use axum::routing::get as on_get;
use heirloom::http::SandboxLayer;
use heirloom::{Repo, Sandbox, sandboxed};
use heirloom_tests::{Random, count};
use sqlx::Postgres;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Asks a thousand times, each time for no longer than a moment.
async fn asks_and_goes_away(server: SocketAddr, sandbox: &Sandbox) {
    let mut random = Random::seeded();
    let slots = Arc::new(Semaphore::new(16));
    let mut clients = Vec::new();
    for number in 0..1000 {
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let request = get(&format!("/work/{number}"), Some(sandbox.owner()));
        let patience = Duration::from_micros(random.below(60_000));
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(server).await;
            let answered = tokio::time::timeout(patience, client.ask(request)).await;
            drop((client, slot));
            answered.is_ok()
        }));
    }
    let mut answered = 0;
    for client in clients {
        answered += usize::from(client.await.unwrap());
    }
    println!("{answered} were answered");
    let settled = sandbox.settle_within(Duration::from_secs(30));
    settled.await.unwrap();
}

#[sandboxed]
async fn clients_that_go_away_at_any_moment_leave_a_sandbox_that_works_on_sqlite(
    sandbox: Sandbox,
) -> sqlx::Result<()> {
    let begun = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&begun);
    let work = async move |Path(number): Path<usize>| {
        counting.fetch_add(1, Ordering::SeqCst);
        let mut transaction = REPO.begin().await.unwrap();
        for half in 0..2 {
            sqlx::query("INSERT INTO guests (email) VALUES (?)")
                .bind(format!("{number}-{half}"))
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    };
    let app = Router::new().route("/work/{number}", on_get(work));
    asks_and_goes_away(serve(app.layer(SandboxLayer::new())), &sandbox).await;
    let rows = usize::try_from(count(&REPO).await?).unwrap();
    let begun = begun.load(Ordering::SeqCst);
    assert_eq!(rows, 2 * begun, "each that began has finished, whole");
    Ok(())
}

#[sandboxed]
async fn clients_that_go_away_at_any_moment_leave_a_sandbox_that_works_on_postgres(
    sandbox: Sandbox,
) -> sqlx::Result<()> {
    static POSTGRES: Repo<Postgres> = Repo::named("review").migrator(&heirloom_tests::MIGRATOR);
    // Transactions side by side end together on the one session they have.
    static ONE: tokio::sync::Mutex<i64> = tokio::sync::Mutex::const_new(0);
    let work = async move |Path(number): Path<i64>| {
        let mut begun = ONE.lock().await;
        *begun += 1;
        let mut transaction = POSTGRES.begin().await.unwrap();
        for half in 0..2 {
            sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1::text)")
                .bind(number * 2 + half)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    };
    let app = Router::new().route("/work/{number}", on_get(work));
    asks_and_goes_away(serve(app.layer(SandboxLayer::new())), &sandbox).await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&POSTGRES)
        .await?;
    assert_eq!(
        rows,
        2 * *ONE.lock().await,
        "each that began has finished, whole"
    );
    Ok(())
}

/// As `ureq` asks. On the test's only thread, which serves its database on PostgreSQL, it would wait for itself; a hint says so.
#[sandboxed]
async fn a_client_that_blocks_is_answered_when_it_blocks_a_thread_of_its_own(sandbox: Sandbox) {
    static BLOCKING: Repo<Postgres> = Repo::named("blocking").migrator(&heirloom_tests::MIGRATOR);
    async fn guests() -> String {
        let all = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
        let seen = all.fetch_one(&BLOCKING).await;
        seen.map_or_else(|error| error.to_string(), |seen| format!("seen: {seen}"))
    }
    let app = Router::new()
        .route("/", on_get(guests))
        .layer(SandboxLayer::new());
    let server = serve(app);
    sqlx::query("INSERT INTO guests (id, email) VALUES (1, 'ada')")
        .execute(&BLOCKING)
        .await
        .unwrap();
    let agent = sandbox.owner().user_agent("");
    let asks = move || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(server)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let request = format!("GET / HTTP/1.0\r\nhost: localhost\r\nuser-agent: {agent}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = tokio::task::spawn_blocking(asks).await.unwrap().unwrap();
    assert!(answer.ends_with("seen: 1"), "{answer}");
}
