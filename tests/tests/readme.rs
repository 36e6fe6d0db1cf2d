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
    assert_eq!(shown.len(), 3);
    for code in shown {
        assert!(
            readme.contains(&format!("```rust\n{code}```")),
            "the README does not show:\n{code}"
        );
    }
}
