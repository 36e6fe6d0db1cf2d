//! What the README shows, run. The last test compares the two, so that neither changes alone.

mod example {
    // README: begin
    use heirloom::{Repo, owned_task, sandboxed};
    use sqlx::{Sqlite, SqlitePool};
    use tokio::task::JoinHandle;

    // The application, which knows of no tests: a global database, and a task that uses it.
    static REPO: Repo<Sqlite> = Repo::new();

    #[owned_task]
    fn record_visit(guest: i64) -> JoinHandle<sqlx::Result<()>> {
        tokio::spawn(async move {
            let insert = sqlx::query("INSERT INTO visits VALUES (?, 'today')");
            insert.bind(guest).execute(&REPO).await?;
            Ok(())
        })
    }

    // Its tests. All run at once, each on its own migrated database; the task finds the right one.
    #[sandboxed(fixtures("guests"))]
    async fn a_visit_is_recorded(pool: SqlitePool) -> sqlx::Result<()> {
        record_visit(1).await.expect("no panic")?;
        let visits: i64 = sqlx::query_scalar("SELECT count(*) FROM visits")
            .fetch_one(&pool)
            .await?;
        assert_eq!(visits, 1);
        Ok(())
    }

    #[sandboxed]
    async fn nobody_has_visited_yet() -> sqlx::Result<()> {
        let visits: i64 = sqlx::query_scalar("SELECT count(*) FROM visits")
            .fetch_one(&REPO)
            .await?;
        assert_eq!(visits, 0);
        Ok(())
    }
    // README: end
}

mod fixture {
    // README: begin
    use heirloom::{BoxError, FromSandbox, Sandbox, sandboxed};
    use sqlx::SqlitePool;

    struct Hotel {
        pool: SqlitePool,
    }

    impl FromSandbox for Hotel {
        async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
            let pool: SqlitePool = sandbox.get().await?; // or another fixture
            sqlx::query("INSERT INTO guests (email) VALUES ('landlord@example.org')")
                .execute(&pool)
                .await?;
            sandbox.on_teardown(|| async { Ok(()) }); // stop a server, compare a file ..
            Ok(Self { pool })
        }
    }

    #[sandboxed]
    async fn a_hotel_has_a_landlord(hotel: Hotel) -> sqlx::Result<()> {
        let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
            .fetch_one(&hotel.pool)
            .await?;
        assert_eq!(guests, 1);
        Ok(())
    }
    // README: end
}

mod postgres {
    // README: begin
    use heirloom::{BoxError, Sandbox, sandboxed};
    use sqlx::{Connection, PgConnection, PgPool};

    // A session in a transaction that is never committed, with as many connections as anybody opens.
    #[sandboxed(fixtures("guests"))]
    async fn another_driver_sees_what_this_test_wrote(
        pool: PgPool,
        sandbox: Sandbox,
    ) -> Result<(), BoxError> {
        let delete = sqlx::query("DELETE FROM guests WHERE id = 1");
        delete.execute(&pool).await?;
        let url = sandbox.database_url().await?; // for `psql`, a child process, any driver
        let mut other = PgConnection::connect(&url).await?;
        let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
            .fetch_one(&mut other)
            .await?;
        assert_eq!(guests, 1);
        Ok(())
    }

    // A database of its own, where commits are real and connections wait for each other's locks.
    #[sandboxed(isolation = "database", fixtures("guests"))]
    async fn two_workers_take_different_guests(pool: PgPool) -> sqlx::Result<()> {
        const TAKE: &str = "SELECT id FROM guests LIMIT 1 FOR UPDATE SKIP LOCKED";
        let (mut one, mut other) = (pool.begin().await?, pool.begin().await?);
        let first: i32 = sqlx::query_scalar(TAKE).fetch_one(&mut *one).await?;
        let second: i32 = sqlx::query_scalar(TAKE).fetch_one(&mut *other).await?;
        assert_ne!(first, second);
        Ok(())
    }
    // README: end
}

mod http {
    use std::sync::LazyLock;
    use tokio::net::TcpListener;

    /// Where the one server listens, on a runtime that belongs to no test.
    static URL: LazyLock<String> = LazyLock::new(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let listener = listener.set_nonblocking(true).map(|()| listener);
        drop(heirloom_tests::nobodys().spawn(async {
            let listener = TcpListener::from_std(listener.expect("tokio's own kind"));
            axum::serve(listener.expect("it is open"), router()).await
        }));
        format!("http://{address}")
    });

    // README: begin
    use axum::{Router, routing::get};
    use heirloom::http::SandboxLayer;
    use heirloom::{BoxError, Repo, Sandbox, sandboxed};
    use sqlx::Sqlite;

    static REPO: Repo<Sqlite> = Repo::new();

    async fn guests() -> String {
        let count = sqlx::query_scalar("SELECT count(*) FROM guests").fetch_one(&REPO);
        let count: i64 = count.await.unwrap_or_default();
        format!("{count} guests")
    }

    // The application. In production the layer is nothing at all.
    fn router() -> Router {
        Router::new()
            .route("/guests", get(guests))
            .layer(SandboxLayer::new())
    }

    // One server for all tests at once: a request says whose it is.
    #[sandboxed(fixtures("guests"))]
    async fn a_page_lists_the_guests(sandbox: Sandbox) -> Result<(), BoxError> {
        let headers = sandbox.owner().headers(); // `user-agent: heirloom/<token>`
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .build()?;
        let page = client.get(format!("{}/guests", *URL)).send().await?;
        assert_eq!(page.text().await?, "2 guests");
        Ok(())
    }
    // README: end
}

#[test]
fn the_readme_shows_exactly_this() {
    let readme = include_str!("../../README.md");
    let here = include_str!("readme.rs");
    let shown: Vec<String> = here
        .split("    // README: begin\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("    // README: end\n"))
        .map(|(code, _)| code.replace("\n    ", "\n").trim_start().to_owned())
        .collect();
    assert_eq!(shown.len(), 4);
    for code in shown {
        assert!(
            readme.contains(&format!("```rust\n{code}```")),
            "the README does not show:\n{code}"
        );
    }
}
