//! `#[sandboxed]` with a real database behind every argument it takes. Runs the same under `cargo test` and nextest.

use heirloom::{BoxError, FromSandbox, Owner, Repo, Sandbox, sandboxed};
use rstest::rstest;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};

static OTHER: Migrator = sqlx::migrate!("./schemas/other");
static REPO: Repo<Sqlite> = Repo::new();

async fn count(pool: &SqlitePool, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
    query.fetch_one(pool).await.expect("a count")
}

#[sandboxed]
async fn a_test_has_its_migrated_database(pool: SqlitePool) {
    assert_eq!(count(&pool, "guests").await, 0);
}

#[sandboxed]
async fn a_test_takes_any_number_of_fixtures(
    sandbox: Sandbox,
    owner: Owner,
    pool: SqlitePool,
    mut connection: PoolConnection<Sqlite>,
    options: SqlitePoolOptions,
    connect: SqliteConnectOptions,
    both: (SqlitePoolOptions, SqliteConnectOptions),
) -> sqlx::Result<()> {
    assert_eq!(sandbox.owner(), &owner);
    assert_eq!(
        owner.name(),
        "attributes::a_test_takes_any_number_of_fixtures"
    );
    assert_eq!(owner.started_at().file, file!());
    assert_eq!(both.1.get_filename(), connect.get_filename());
    sqlx::query("INSERT INTO guests VALUES (1, 'ada@example.org')")
        .execute(&mut *connection)
        .await?;
    drop(connection);
    let own = options.max_connections(2).connect_with(connect).await?;
    assert_eq!(
        (count(&own, "guests").await, count(&pool, "guests").await),
        (1, 1)
    );
    own.close().await;
    Ok(())
}

struct Hotel {
    pool: SqlitePool,
    rooms: Rooms,
}

struct Rooms(i64);

impl FromSandbox for Rooms {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let pool: SqlitePool = sandbox.get().await?;
        sqlx::query("INSERT INTO guests VALUES (7, 'landlord@example.org')")
            .execute(&pool)
            .await?;
        Ok(Self(count(&pool, "guests").await))
    }
}

impl FromSandbox for Hotel {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        Ok(Self {
            rooms: sandbox.get().await?,
            pool: sandbox.get().await?,
        })
    }
}

#[sandboxed]
async fn fixtures_of_ones_own_ask_for_others(hotel: Hotel) {
    assert_eq!((hotel.rooms.0, count(&hotel.pool, "guests").await), (1, 1));
}

#[sandboxed(migrations = "schemas/other")]
async fn migrations_come_from_a_directory(pool: SqlitePool) {
    assert_eq!(count(&pool, "ledger").await, 0);
}

#[sandboxed(migrator = OTHER)]
async fn migrations_come_from_a_migrator(pool: SqlitePool) {
    assert_eq!(count(&pool, "ledger").await, 0);
}

#[sandboxed(migrations = false)]
async fn migrations_are_left_out(pool: SqlitePool) {
    assert_eq!(count(&pool, "sqlite_schema").await, 0);
}

#[sandboxed(fixtures("guests", "visits"))]
async fn fixtures_are_files_beside_the_test(pool: SqlitePool) {
    assert_eq!(
        (count(&pool, "guests").await, count(&pool, "visits").await),
        (2, 1)
    );
}

#[sandboxed(fixtures(path = "fixtures", scripts("guests")))]
async fn fixtures_have_a_path_and_scripts(pool: SqlitePool) {
    assert_eq!(count(&pool, "guests").await, 2);
}

#[sandboxed(fixtures("./fixtures/guests.sql"))]
async fn a_repo_sees_the_fixtures_too() -> sqlx::Result<()> {
    let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&REPO)
        .await?;
    assert_eq!(guests, 2);
    Ok(())
}

#[sandboxed(
    isolation = "database",
    flavor = "multi_thread",
    worker_threads = 3,
    drain_timeout = "10s"
)]
async fn the_runtime_is_the_one_asked_for(pool: SqlitePool) -> sqlx::Result<()> {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 3);
    let pings: Vec<_> = (0..16)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { sqlx::query("SELECT 1").execute(&pool).await.map(drop) })
        })
        .collect();
    for ping in pings {
        ping.await.expect("no panic")?;
    }
    Ok(())
}

#[sandboxed]
fn a_test_need_not_be_async(sandbox: Sandbox) {
    assert_eq!(heirloom::current().as_ref(), Some(sandbox.owner()));
}

#[sandboxed]
#[should_panic(expected = "UNIQUE constraint failed")]
async fn a_panic_is_expected(pool: SqlitePool) {
    let twice = "INSERT INTO guests (email) VALUES ('ada@example.org'), ('ada@example.org')";
    sqlx::query(twice)
        .execute(&pool)
        .await
        .expect("one too many");
}

/// rstest's cases are tests of their own, each with a database of its own.
#[sandboxed]
#[rstest]
#[case::ada("ada@example.org")]
#[case::bob("bob@example.org")]
async fn every_case_has_its_own_database(
    #[case] email: &str,
    #[values(1, 2)] id: i64,
    pool: SqlitePool,
) {
    assert_eq!(count(&pool, "guests").await, 0);
    let insert = sqlx::query("INSERT INTO guests VALUES (?, ?)")
        .bind(id)
        .bind(email);
    insert.execute(&pool).await.expect("nobody else is here");
}

#[sandboxed]
#[should_panic(expected = "the body, not the teardown")]
async fn an_expected_panic_keeps_no_database(sandbox: Sandbox, pool: SqlitePool) {
    let database = pool.connect_options().get_filename().to_owned();
    sandbox.on_teardown(move || async move {
        // Of an earlier run: this one has not ended yet.
        let name = "attributes::an_expected_panic_keeps_no_database";
        assert_eq!(heirloom_tests::kept_of(name, &database), None);
        Ok(())
    });
    panic!("the body, not the teardown");
}

#[sandboxed]
#[rstest]
#[case::one(1)]
#[case::two(2)]
async fn a_case_is_named_in_its_owner(#[case] number: u8, owner: Owner) {
    let case = ["case_1_one", "case_2_two"][usize::from(number - 1)];
    assert_eq!(
        owner.name(),
        format!("attributes::a_case_is_named_in_its_owner::{case}")
    );
}
