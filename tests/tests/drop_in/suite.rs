//! Every signature and every argument in the documentation of sqlx 0.9's `#[sqlx::test]`.

use super::chosen;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Acquire as _, Executor as _, PgPool, Pool, Postgres, Row as _};
use std::error::Error;

async fn emails(pool: &PgPool) -> Vec<String> {
    let emails = sqlx::query_scalar("SELECT email FROM guests ORDER BY id");
    emails.fetch_all(pool).await.expect("guests")
}

async fn visits(pool: &PgPool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM visits");
    count.fetch_one(pool).await.expect("visits")
}

const ADA: &str = "INSERT INTO guests (id, email) VALUES (1, 'ada@example.org')";

// Signatures.

#[chosen::test]
async fn nothing_is_asked_for() {
    tokio::task::yield_now().await;
}

#[chosen::test]
async fn nothing_is_asked_for_and_a_result_returned() -> Result<(), Box<dyn Error>> {
    tokio::task::yield_now().await;
    Ok(())
}

#[chosen::test]
async fn a_pool(pool: PgPool) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    connection.execute(ADA).await?;
    let row = sqlx::query("SELECT * FROM guests")
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(row.get::<String, _>("email"), "ada@example.org");
    Ok(())
}

#[chosen::test]
async fn a_pool_by_its_long_name(pool: Pool<Postgres>) {
    assert!(emails(&pool).await.is_empty());
}

#[chosen::test]
async fn a_connection(mut connection: PoolConnection<Postgres>) -> sqlx::Result<()> {
    connection.execute(ADA).await?;
    let mut transaction = connection.begin().await?;
    transaction.execute("DELETE FROM guests").await?;
    transaction.rollback().await?;
    let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(guests, 1);
    Ok(())
}

#[chosen::test]
async fn options_for_a_pool_of_ones_own(
    pool_options: PgPoolOptions,
    connect_options: PgConnectOptions,
) -> sqlx::Result<()> {
    let pool = pool_options
        .max_connections(2)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET application_name = 'own'").await?;
                Ok(())
            })
        })
        .connect_with(connect_options.options([("statement_timeout", "30s")]))
        .await?;
    let set: (String, String) = sqlx::query_as(
        "SELECT current_setting('application_name'), current_setting('statement_timeout')",
    )
    .fetch_one(&pool)
    .await?;
    assert_eq!((&*set.0, &*set.1), ("own", "30s"));
    pool.execute(ADA).await?;
    assert_eq!(emails(&pool).await, ["ada@example.org"]);
    pool.close().await;
    Ok(())
}

#[chosen::test]
#[should_panic(expected = "guests_email_key")]
async fn a_panic_that_is_expected(pool: PgPool) {
    let twice = "INSERT INTO guests (id, email) VALUES (1, 'a@example.org'), (2, 'a@example.org')";
    pool.execute(twice).await.unwrap();
}

// What a test does with its database.

#[chosen::test]
async fn several_connections_see_what_is_committed(pool: PgPool) -> sqlx::Result<()> {
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    let mut transaction = one.begin().await?;
    transaction.execute(ADA).await?;
    transaction.commit().await?;
    let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
        .fetch_one(&mut *other)
        .await?;
    assert_eq!(guests, 1);
    Ok(())
}

#[chosen::test]
async fn a_refused_row_leaves_the_others(pool: PgPool) -> sqlx::Result<()> {
    pool.execute(ADA).await?;
    let refused = pool.execute(ADA).await.expect_err("she is there");
    let refused = refused.as_database_error().expect("of the database");
    assert!(refused.is_unique_violation());
    assert_eq!(emails(&pool).await, ["ada@example.org"]);
    Ok(())
}

#[chosen::test]
async fn a_pool_that_the_test_closes(pool: PgPool) {
    assert_eq!(visits(&pool).await, 0);
    pool.close().await;
}

// Migrations.

#[chosen::test(migrations = "schemas/other")]
async fn migrations_of_a_directory(pool: PgPool) -> sqlx::Result<()> {
    pool.execute("SELECT * FROM ledger").await.map(drop)
}

#[chosen::test(migrations = "./schemas/other")]
async fn migrations_of_a_directory_from_here(pool: PgPool) -> sqlx::Result<()> {
    pool.execute("SELECT * FROM ledger").await.map(drop)
}

#[chosen::test(migrator = "crate::OTHER")]
async fn a_migrator(pool: PgPool) -> sqlx::Result<()> {
    pool.execute("SELECT * FROM ledger").await.map(drop)
}

#[chosen::test(migrations = false)]
async fn no_migrations(pool: PgPool) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    connection.execute("CREATE TABLE foo (bar text)").await?;
    connection
        .execute("INSERT INTO foo VALUES ('foobar!')")
        .await?;
    let foo = sqlx::query("SELECT * FROM foo")
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(foo.get::<String, _>("bar"), "foobar!");
    Ok(())
}

// Fixtures.

#[chosen::test(fixtures("guests", "visits"))]
async fn fixtures_by_name(pool: PgPool) {
    assert_eq!(emails(&pool).await.len(), 2);
    assert_eq!(visits(&pool).await, 1);
}

#[chosen::test(fixtures("guests.sql"))]
async fn a_fixture_by_the_name_of_its_file(pool: PgPool) {
    assert_eq!(emails(&pool).await.len(), 2);
}

#[chosen::test(fixtures("./fixtures/guests.sql", "./elsewhere/visits.sql"))]
async fn fixtures_by_path(pool: PgPool) {
    assert_eq!(visits(&pool).await, 2);
}

#[chosen::test(fixtures("../fixtures/guests.sql"))]
async fn a_fixture_further_up(pool: PgPool) {
    assert_eq!(emails(&pool).await.len(), 2);
}

#[chosen::test(fixtures(path = "./fixtures", scripts("guests", "visits.sql")))]
async fn fixtures_of_a_directory(pool: PgPool) {
    assert_eq!(visits(&pool).await, 1);
}

#[chosen::test(fixtures("guests"), fixtures(path = "elsewhere", scripts("visits")))]
async fn fixtures_of_several_kinds(pool: PgPool) {
    assert_eq!(visits(&pool).await, 2);
}

#[chosen::test(migrator = "crate::OTHER", fixtures("./elsewhere/ledger.sql"))]
async fn everything_at_once(
    pool_options: PgPoolOptions,
    connect_options: PgConnectOptions,
) -> Result<(), Box<dyn Error>> {
    let pool = pool_options.connect_with(connect_options).await?;
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger")
        .fetch_one(&pool)
        .await?;
    assert_eq!(lines, 1);
    Ok(())
}
