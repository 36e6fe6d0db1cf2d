//! sqlx 0.8, beside the sqlx that heirloom is built on.

use crate::NAMES_LIKE;
use sqlx08::postgres::{PgListener, PgPool, PgPoolCopyExt as _, PgPoolOptions};
use sqlx08::{Acquire as _, Error};

async fn names(pool: &PgPool, prefix: &str) -> Vec<String> {
    let names = sqlx08::query_scalar(NAMES_LIKE).bind(prefix);
    names.fetch_all(pool).await.expect("a query")
}

async fn insert<'c>(
    on: impl sqlx08::PgExecutor<'c>,
    email: &str,
    name: &str,
) -> Result<u64, Error> {
    sqlx08::query("INSERT INTO guests (email, name) VALUES ($1, $2)")
        .bind(email)
        .bind(name)
        .execute(on)
        .await
        .map(|done| done.rows_affected())
}

fn is_unique_violation(error: &Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx08::error::DatabaseError::is_unique_violation)
}

/// A pool of several connections: queries at once, transactions and those within them, COPY, notifications.
pub async fn works(url: &str) {
    let pool = PgPoolOptions::new().max_connections(5).connect(url).await;
    let pool = pool.expect("it connects");
    assert_eq!(insert(&pool, "eight-1@h", "one").await.expect("a row"), 1);
    let refused = insert(&pool, "eight-1@h", "one")
        .await
        .expect_err("it is there");
    assert!(is_unique_violation(&refused), "{refused:?}");
    nests(&pool).await;
    copies(&pool).await;
    assert_eq!(
        names(&pool, "eight-").await,
        ["copied", "inner", "one", "outer"]
    );
    at_once(&pool).await;
    listens(&pool).await;
    pool.close().await;
}

async fn nests(pool: &PgPool) {
    let mut outer = pool.begin().await.expect("it begins");
    insert(&mut *outer, "eight-2@h", "outer")
        .await
        .expect("a row");
    let mut inner = outer.begin().await.expect("a savepoint");
    insert(&mut *inner, "eight-1@h", "again")
        .await
        .expect_err("it is there");
    inner.rollback().await.expect("back to it");
    let mut inner = outer.begin().await.expect("a savepoint");
    insert(&mut *inner, "eight-3@h", "inner")
        .await
        .expect("a row");
    inner.commit().await.expect("it is released");
    // The pool is used while the transaction is held.
    let one: i32 = sqlx08::query_scalar("SELECT 1")
        .fetch_one(pool)
        .await
        .expect("a query");
    assert_eq!(one, 1);
    outer.commit().await.expect("it commits");
    let mut dropped = pool.begin().await.expect("it begins");
    insert(&mut *dropped, "eight-4@h", "dropped")
        .await
        .expect("a row");
    drop(dropped);
    // It is rolled back in the background: what comes before that over another connection is in it.
    while pool.num_idle() < pool.size() as usize {
        tokio::task::yield_now().await;
    }
}

async fn copies(pool: &PgPool) {
    let mut sink = pool
        .copy_in_raw("COPY guests (email, name) FROM STDIN")
        .await
        .expect("it starts");
    sink.send("eight-5@h\tcopied\n".as_bytes())
        .await
        .expect("it takes lines");
    assert_eq!(sink.finish().await.expect("a row"), 1);
    let mut sink = pool
        .copy_in_raw("COPY guests (email, name) FROM STDIN")
        .await
        .expect("it starts");
    sink.send("eight-6@h\tgiven up\n".as_bytes())
        .await
        .expect("it takes lines");
    sink.abort("changed my mind").await.expect("it is given up");
}

async fn at_once(pool: &PgPool) {
    let tasks = (0..20_i32).map(|i| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let twice = sqlx08::query_scalar::<_, i32>("SELECT $1 * 2").bind(i);
            (i, twice.fetch_one(&pool).await.expect("a query"))
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (i, twice) = task.await.expect("no panic");
        assert_eq!(twice, i * 2);
    }
}

async fn listens(pool: &PgPool) {
    let mut listener = PgListener::connect_with(pool).await.expect("it connects");
    listener.listen("eight").await.expect("it listens");
    let mut speaking = pool.begin().await.expect("it begins");
    let notify = sqlx08::query("SELECT pg_notify('eight', 'hello')");
    notify.execute(&mut *speaking).await.expect("said");
    speaking.commit().await.expect("it commits");
    let heard = listener.recv().await.expect("it is heard");
    assert_eq!((heard.channel(), heard.payload()), ("eight", "hello"));
}
