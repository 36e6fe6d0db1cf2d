//! Owners that end at any moment, whatever their requests are doing just then, and clients that go away meanwhile: nobody
//! hangs, nobody is told of another's, nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::StatusCode;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get as on_get;
use futures_util::StreamExt as _;
use futures_util::stream;
use heirloom::http::SandboxLayer;
use heirloom::{Owner, Repo, StartedOwner, owned_task, sandboxed};
use heirloom_tests::{Random, nobodys};
use http::{Client, get, serve_on};
use sqlx::{Postgres, Sqlite};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{sleep, timeout};

static SQLITE: Repo<Sqlite> = Repo::new();
static POSTGRES: Repo<Postgres> = Repo::named("postgres").migrator(&heirloom_tests::MIGRATOR);

fn whose() -> String {
    heirloom::current().map_or_else(|| "nobody".to_owned(), |owner| owner.name().to_owned())
}

macro_rules! handlers {
    ($name:ident, $repo:ident) => {
        mod $name {
            use super::*;

            /// Who has written here, all of them; each writes its own name only.
            async fn guests() -> sqlx::Result<String> {
                let all = sqlx::query_scalar::<_, String>(
                    "SELECT DISTINCT split FROM (SELECT email AS split FROM guests) AS guests",
                );
                Ok(all.fetch_all(&$repo).await?.join(" "))
            }

            async fn write(number: u64) -> sqlx::Result<()> {
                let mut transaction = $repo.begin().await?;
                for half in 0..2 {
                    let id = number * 2 + half;
                    let insert = format!(
                        "INSERT INTO guests (id, email) VALUES ({id}, '{} {id}')",
                        whose()
                    );
                    sqlx::query(sqlx::AssertSqlSafe(insert))
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await
            }

            fn told<E: ToString>(result: Result<String, E>) -> (StatusCode, String) {
                match result {
                    Ok(text) => (StatusCode::OK, text),
                    Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                }
            }

            async fn writes(number: axum::extract::Path<u64>) -> (StatusCode, String) {
                told(write(number.0).await.map(|()| whose()))
            }

            async fn reads() -> (StatusCode, String) {
                told(guests().await)
            }

            #[owned_task]
            async fn spawns(number: axum::extract::Path<u64>) -> (StatusCode, String) {
                let written = tokio::spawn(async move { write(number.0).await }).await;
                told(written.map(|_| whose()))
            }

            #[owned_task]
            async fn blocks(number: axum::extract::Path<u64>) -> (StatusCode, String) {
                let handle = tokio::runtime::Handle::current();
                let written = tokio::task::spawn_blocking(move || handle.block_on(write(number.0)));
                told(written.await.map(|_| whose()))
            }

            async fn parks() -> (StatusCode, String) {
                let mut connection = match $repo.acquire().await {
                    Ok(connection) => connection,
                    Err(error) => return told(Err(error)),
                };
                sqlx::query("SELECT 1").execute(&mut *connection).await.ok();
                std::future::pending().await
            }

            async fn streams() -> Body {
                let rows = stream::repeat(()).then(async |()| {
                    let seen = guests().await.unwrap_or_default();
                    Ok::<_, Infallible>(Bytes::from(format!("{} {seen}\n", whose())))
                });
                Body::from_stream(rows)
            }

            pub(super) fn app() -> Router {
                Router::new()
                    .route("/writes/{number}", on_get(writes))
                    .route("/reads/{number}", on_get(reads))
                    .route("/spawns/{number}", on_get(spawns))
                    .route("/blocks/{number}", on_get(blocks))
                    .route("/parks/{number}", on_get(parks))
                    .route("/streams/{number}", on_get(streams))
                    .layer(SandboxLayer::new())
            }

            pub(super) async fn start(name: String) -> StartedOwner {
                Owner::start(name).repo(&$repo).await.unwrap()
            }
        }
    };
}

handlers!(sqlite, SQLITE);
handlers!(postgres, POSTGRES);

const WAYS: [&str; 6] = ["writes", "reads", "spawns", "blocks", "parks", "streams"];

/// Asks again and again until its owner has ended, or it has had enough.
async fn visits(server: SocketAddr, owner: Owner, mut random: Random) -> Vec<StatusCode> {
    let mut seen = Vec::new();
    for visit in 0..6 {
        let mut client = Client::connect(server).await;
        let number = random.below(1 << 40) + visit;
        let way = WAYS[usize::try_from(random.below(6)).unwrap()];
        let request = get(&format!("/{way}/{number}"), Some(&owner));
        let patience = Duration::from_micros(500 + random.below(80_000));
        let answered = timeout(patience, async {
            let response = client.send(request).await.ok()?;
            let status = response.status();
            let (parts, body) = response.into_parts();
            let mut body = Body::new(body).into_data_stream();
            let mut text = Vec::new();
            while let Some(Ok(chunk)) = body.next().await {
                text.extend_from_slice(&chunk);
                if text.len() > 2000 {
                    break;
                }
            }
            drop(parts);
            Some((status, String::from_utf8(text).unwrap()))
        });
        if let Ok(Some((status, text))) = answered.await {
            let names = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '-');
            for name in names.filter(|word| word.contains("-owner-")) {
                assert_eq!(name, owner.name(), "another's was told: {text}");
            }
            assert!(!text.contains("nobody owns"), "{text}");
            seen.push(status);
        }
    }
    seen
}

async fn storm<F>(server: SocketAddr, kind: &str, mut random: Random, start: impl Fn(String) -> F)
where
    F: Future<Output = StartedOwner>,
{
    let mut seen = std::collections::BTreeMap::new();
    for round in 0..30_u64 {
        let mut owners = Vec::new();
        let mut clients = Vec::new();
        for number in 0..3 {
            let owner = start(format!("{kind}-owner-{round:02}{number}")).await;
            for client in 0..3 {
                let random = Random::from(random.below(u64::MAX) + client);
                clients.push(tokio::spawn(visits(server, owner.clone(), random)));
            }
            owners.push((owner, random.below(150_000)));
        }
        let ends = owners.into_iter().map(|(owner, after)| async move {
            sleep(Duration::from_micros(after)).await;
            let name = owner.name().to_owned();
            let stopped = timeout(Duration::from_secs(30), owner.stop()).await;
            if let Err(error) = stopped.expect("it hangs") {
                // Of one session with transactions side by side: not what this is about.
                let error = error.to_string();
                assert!(error.contains("could not do as a server does"), "{error}");
            }
            name
        });
        for name in futures_util::future::join_all(ends).await {
            let left = heirloom::inspect();
            assert!(left.owners.iter().all(|one| one.name != name), "{left}");
        }
        for client in clients {
            for status in timeout(Duration::from_secs(30), client)
                .await
                .expect("it hangs")
                .unwrap()
            {
                *seen.entry(status).or_insert(0) += 1;
            }
        }
    }
    println!("{seen:?}");
    assert!(seen[&StatusCode::OK] > 0);
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn owners_end_at_any_moment_on_sqlite() {
    let server = serve_on(nobodys(), sqlite::app());
    storm(server, "sqlite", Random::seeded(), |name| async {
        nobodys().spawn(sqlite::start(name)).await.unwrap()
    })
    .await;
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn owners_end_at_any_moment_on_postgres() {
    let server = serve_on(nobodys(), postgres::app());
    storm(server, "postgres", Random::seeded(), |name| async {
        nobodys().spawn(postgres::start(name)).await.unwrap()
    })
    .await;
}

fn on_one_thread() -> SocketAddr {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let server = serve_on(&runtime, sqlite::app());
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    server
}

/// What the owners leave behind has no other thread.
#[sandboxed]
async fn owners_end_at_any_moment_beside_a_server_on_one_thread() {
    let server = on_one_thread();
    storm(server, "one", Random::seeded(), sqlite::start).await;
}
