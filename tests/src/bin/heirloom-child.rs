//! A process of its own for what would harm a test's process: being killed, another directory, another subscriber.
//!
//! Run by the tests in `tests/`, with the scenario as its first argument.

use heirloom::{FutureExt as _, OrphanPolicy, Owner, Repo, Sandbox, Test};
use heirloom_tests::{count as guests, nobodys, wait_until};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::prelude::*;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["hold"] => hold(),
        ["count"] => count(Test::here("child::count")),
        ["count-in", dir] => {
            count(Test::here("child::count").migrations_dir(dir.to_owned().leak()));
        }
        ["turn", name] => turn(Test::here(name)),
        ["turn-alone", name] => turn(Test::here(name).shared()),
        ["orphans"] => orphans(),
        ["paused"] => paused(),
        ["checks-in-what-it-holds"] => checks_in_what_it_holds(),
        ["panicking-subscriber"] => panicking_subscriber(),
        ["postgres"] => postgres(Test::here("child::postgres")),
        ["postgres-in", dir] => {
            postgres(Test::here("child::postgres").migrations_dir(dir.to_owned().leak()));
        }
        ["postgres-as-it-is"] => postgres(Test::here("child::postgres").no_migrations()),
        ["postgres-hold"] => postgres_hold(),
        ["postgres-again"] => postgres_again(),
        ["postgres-blocked", how] => postgres_blocked(how),
        ["pool-only", url] => nobodys().block_on(pool_only(url)),
        ["works-on", variable] => nobodys().block_on(works_on(variable)),
        ["spans-without-layer"] => spans_without_layer(),
        ["spans-with-layer"] => spans_with_layer(),
        _ => panic!("no such scenario: {arguments:?}"),
    }
}

/// Opens a database, says where, and waits to be killed or for its input to end.
fn hold() {
    drop(
        Test::here("child::hold").run(|sandbox: Sandbox| async move {
            let pool = pool(&sandbox).await;
            sqlx::query("INSERT INTO guests (email) VALUES ('held@example.org')")
                .execute(&pool)
                .await?;
            println!("{}", pool.connect_options().get_filename().display());
            std::io::stdout().flush()?;
            std::io::stdin().read_to_end(&mut Vec::new())?;
            Ok(())
        }),
    );
}

/// Prints how many guests a fresh test sees and how many tables there are.
fn count(test: Test) {
    drop(test.run(|sandbox: Sandbox| async move {
        let pool = sandbox.get::<SqlitePool>().await;
        let pool = pool.map_err(std::io::Error::other)?;
        let tables: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
                .fetch_one(&pool)
                .await?;
        println!("{tables} tables");
        Ok(())
    }));
}

/// Says in the common log and to its parent when its test runs, and runs until its input ends.
fn turn(test: Test) {
    let name = std::env::args().next_back().expect("a name");
    let log = move |what: &str| {
        let path = std::path::Path::new(&std::env::var("HEIRLOOM_DIR")?).join("order.log");
        let mut log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path)?;
        writeln!(log, "{name} {what}")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    drop(test.run(|_: Sandbox| async move {
        log("in").expect("written");
        println!("in");
        std::io::stdout().flush()?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
        log("out").expect("written");
        Ok(())
    }));
}

/// A service that nobody owns queries again and again while a test runs, and does not mind errors.
fn orphans() {
    static REPO: Repo<Sqlite> = Repo::new();
    drop(Test::here("child::orphans").run(|_: Sandbox| async move {
        let polls = nobodys().spawn(async {
            for _ in 0..100 {
                guests(&REPO).await.expect_err("nobody's");
            }
        });
        Ok(polls.await?)
    }));
}

/// A service that nobody owns waits for an owner when the process ends.
fn paused() {
    static REPO: Repo<Sqlite> = Repo::named("paused").orphans(OrphanPolicy::Pause);
    drop(Test::here("child::paused").run(|_: Sandbox| async move {
        drop(nobodys().spawn(guests(&REPO)));
        wait_until(|| match heirloom::inspect().paused.len() {
            1 => Ok(()),
            _ => Err("nobody waits".to_owned()),
        });
        Ok(())
    }));
    println!("{} paused", heirloom::inspect().paused.len());
}

/// A test whose transaction is lost to its own checkin, which it only learns from the database's error.
fn checks_in_what_it_holds() {
    static REPO: Repo<Sqlite> = Repo::new();
    drop(
        Test::here("child::holds").run(|sandbox: Sandbox| async move {
            let mut held = REPO.begin().await?;
            let checkin = async { REPO.checkin().await }.owned_by(sandbox.owner());
            let checkin = tokio::spawn(checkin);
            let failed = loop {
                let insert = sqlx::query("INSERT INTO guests (email) VALUES (hex(randomblob(8)))");
                if let Err(error) = insert.execute(&mut *held).await {
                    break error;
                }
                tokio::task::yield_now().await;
            };
            drop(held);
            let _ = checkin.await??;
            Err::<(), _>(failed.into())
        }),
    );
}

/// As somebody else's layer that has a bug.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "heirloom" && *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        panic!("a subscriber that panics");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Prints after each session that was taken away because its time was up.
fn panicking_subscriber() {
    static REPO: Repo<Sqlite> = Repo::new();
    tracing::subscriber::set_global_default(Panics).expect("the first");
    for name in ["child::first", "child::second"] {
        let soon = Test::here(name).ownership_timeout(Duration::from_millis(50));
        drop(soon.run(|_: Sandbox| async move {
            let since = Instant::now();
            while guests(&REPO).await.is_ok() {
                assert!(since.elapsed() < Duration::from_secs(30), "still its own");
                tokio::task::yield_now().await;
            }
            println!("taken away");
            Ok(())
        }));
    }
}

/// Prints how many tables a fresh database has.
fn postgres(test: Test) {
    drop(
        test.isolation_database()
            .run(|sandbox: Sandbox| async move {
                let pool = sandbox.get::<PgPool>().await;
                let pool = pool.map_err(std::io::Error::other)?;
                let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
                let tables: i64 = sqlx::query_scalar(tables).fetch_one(&pool).await?;
                println!("{tables} tables");
                Ok(())
            }),
    );
}

/// Opens a database, says which, and waits to be killed or for its input to end.
fn postgres_hold() {
    let test = Test::here("child::hold").isolation_database();
    drop(test.run(|sandbox: Sandbox| async move {
        let pool = sandbox.get::<PgPool>().await.expect("a pool");
        sqlx::query("INSERT INTO guests VALUES (1, 'held@example.org')")
            .execute(&pool)
            .await?;
        println!("{}", pool.connect_options().get_database().expect("a name"));
        std::io::stdout().flush()?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }));
}

/// Runs a test for each line of its input.
fn postgres_again() {
    for _ in std::io::stdin().lines() {
        postgres(Test::here("child::again"));
        std::io::stdout().flush().expect("written");
    }
}

/// Blocks the thread that serves the test's own pool.
fn postgres_blocked(how: &str) {
    let how = how.to_owned();
    drop(
        Test::here("child::blocked").run(|sandbox: Sandbox| async move {
            let pool = sandbox.get::<PgPool>().await.expect("a pool");
            let options = pool.connect_options();
            // Nobody ever answers: where this is not noticed, the parent shall not wait for ever.
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_secs(30));
                std::process::exit(3);
            });
            match &*how {
                "connecting" => {
                    let dir = options.get_socket().expect("a socket");
                    let path = dir.join(format!(".s.PGSQL.{}", options.get_port()));
                    let mut socket = std::os::unix::net::UnixStream::connect(path)?;
                    // As a client does that asks whether it may encrypt.
                    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47])?;
                    socket.read_exact(&mut [0])?;
                }
                "joining" => {
                    let mut held = pool.acquire().await?;
                    let other = std::thread::spawn(move || {
                        nobodys().block_on(sqlx::query("SELECT 1").execute(&mut *held))
                    });
                    other.join().expect("it does not panic")?;
                }
                // Long enough to be noticed if it were wrong.
                "alone" => std::thread::sleep(Duration::from_secs(4)),
                "working" => {
                    let (long, short) = ("SELECT pg_sleep(4)", "SELECT 1");
                    let long = sqlx::query(long).execute(&pool);
                    let other = pool.clone();
                    let short =
                        tokio::spawn(
                            async move { sqlx::query(short).execute(&other).await.map(drop) },
                        );
                    long.await?;
                    short.await??;
                }
                _ => panic!("no such way: {how}"),
            }
            Ok(())
        }),
    );
}

/// Prints the database of an application that was told where it is by other means than a variable, and that of a session.
async fn pool_only(url: &str) {
    static REPO: Repo<Postgres> = Repo::named("pool-only").migrator(&heirloom_tests::MIGRATOR);
    const DATABASE: &str = "SELECT current_database()";
    REPO.connect(url).await.expect("the server");
    let own: String = sqlx::query_scalar(DATABASE)
        .fetch_one(&REPO)
        .await
        .expect("a name");
    let session = Owner::start("child::session")
        .repo(&REPO)
        .await
        .expect("a session");
    let database = async {
        let guests = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
        assert_eq!(guests.fetch_one(&REPO).await.expect("migrated"), 0);
        sqlx::query_scalar(DATABASE)
            .fetch_one(&REPO)
            .await
            .expect("a name")
    };
    let sessions: String = database.owned_by(&session).await;
    session.stop().await.expect("it ends");
    println!("{own} {sessions}");
}

/// Prints the guests that are where a variable says, and becomes one: as a worker does that knows nothing of tests.
async fn works_on(variable: &str) {
    const GUESTS: &str = "SELECT email FROM guests ORDER BY id";
    const MYSELF: &str = "INSERT INTO guests (id, email) VALUES ($1, $1 || '@workers.example.org')";
    let (url, myself) = (std::env::var(variable), std::process::id().cast_signed());
    let url = url.expect("it is said where the database is");
    let guests: Vec<String> = if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(&url).await.expect("the file");
        let guests = sqlx::query_scalar(GUESTS).fetch_all(&mut connection).await;
        let done = sqlx::query(MYSELF).bind(myself).execute(&mut connection);
        done.await.expect("a guest");
        guests.expect("guests")
    } else {
        let mut connection = PgConnection::connect(&url).await.expect("the server");
        let guests = sqlx::query_scalar(GUESTS).fetch_all(&mut connection).await;
        let done = sqlx::query(MYSELF).bind(myself).execute(&mut connection);
        done.await.expect("a guest");
        guests.expect("guests")
    };
    println!("{}", guests.join(" "));
}

/// A package that is built along with this one may turn on the `log` lines of dependencies.
const ERRORS: LevelFilter = LevelFilter::ERROR;

fn spans_without_layer() {
    tracing_subscriber::registry()
        .with(ERRORS)
        .with(tracing_subscriber::fmt::layer())
        .init();
    answer();
    answer();
}

fn spans_with_layer() {
    tracing_subscriber::registry()
        .with(heirloom::layer())
        .with(ERRORS)
        .with(tracing_subscriber::fmt::layer())
        .init();
    answer();
}

/// Whether a span that is made in the test carries its owner to a thread that nobody marked.
fn answer() {
    drop(Test::here("child::answer").run(|_: Sandbox| async move {
        let span = tracing::error_span!("message");
        let carried = std::thread::spawn(move || span.in_scope(heirloom::current)).join();
        println!("{}", carried.expect("no panic").is_some());
        Ok(())
    }));
}

async fn pool(sandbox: &Sandbox) -> SqlitePool {
    sandbox.get().await.expect("a pool")
}
