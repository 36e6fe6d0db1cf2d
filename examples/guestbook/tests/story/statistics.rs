//! The statistics: an actor that outlives every request and finds the database through a global.

use crate::support::{TestApp, TestResult};
use guestbook::{Counter, Error, Pool, REPO, Statistics, Summary};
use heirloom::{Sandbox, sandboxed};
use rstest::rstest;
use serde_json::json;
use std::sync::{Arc, LazyLock};

#[sandboxed]
async fn the_statistics_count_this_tests_guests_and_entries_and_no_others(app: TestApp) {
    app.sign_up("Ada", "ada@example.org").await;
    app.sign_up("Grace", "grace@example.org").await;
    app.sign_up("Impostor", "ada@example.org").await;
    app.sign("ada@example.org", "Once.").await;
    app.sign("ada@example.org", "").await;
    let answer = app.get("/api/statistics").await;
    assert_eq!(answer.json(), json!({ "guests": 2, "entries": 1 }));
}

#[sandboxed]
async fn every_test_starts_with_statistics_of_its_own(app: TestApp) -> TestResult {
    let none = Summary {
        guests: 0,
        entries: 0,
    };
    assert_eq!(app.statistics().summary().await?, none);
    Ok(())
}

#[sandboxed]
async fn the_global_repo_and_the_handlers_pool_are_one_database(pool: Pool) -> TestResult {
    let own = REPO.pool().await?;
    assert!(Arc::ptr_eq(&own.connect_options(), &pool.connect_options()));
    let (statistics, _actor) = Statistics::start();
    statistics.count(Counter::Entries).await;
    assert_eq!(statistics.summary().await?.entries, 1);
    let (counter, value): (String, i64) = sqlx::query_as("SELECT counter, value FROM statistics")
        .fetch_one(&pool)
        .await?;
    assert_eq!((&*counter, value), ("entries", 1));
    Ok(())
}

#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_is_started_by_a_test_belongs_to_it_on_every_thread(
    pool: Pool,
) -> TestResult {
    let (statistics, actor) = Statistics::start();
    let teller = statistics.clone();
    let counting = tokio::spawn(async move {
        for _ in 0..100 {
            teller.count(Counter::Guests).await;
        }
    });
    counting.await?;
    assert_eq!(statistics.summary().await?.guests, 100);
    statistics.stop().await;
    actor.await?;
    let told = statistics.summary().await;
    assert!(matches!(told, Err(Error::StatisticsStopped)), "{told:?}");
    let counted: i64 = sqlx::query_scalar("SELECT value FROM statistics")
        .fetch_one(&pool)
        .await?;
    assert_eq!(counted, 100);
    Ok(())
}

/// One actor for the whole suite, as in an application that keeps it in a `static`: it is started on a runtime of its own,
/// by whichever test comes first, and belongs to none.
static SHARED: LazyLock<Statistics> = LazyLock::new(|| {
    let (started, statistics) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let (statistics, actor) = Statistics::start();
            started.send(statistics).expect("somebody waits for it");
            actor.await.expect("it is never stopped");
        });
    });
    statistics.recv().expect("it starts")
});

#[sandboxed]
#[rstest]
async fn one_actor_for_all_tests_counts_for_each_its_own(
    #[values(1, 2, 3, 4, 5, 6, 7, 8)] guests: i64,
    pool: Pool,
    sandbox: Sandbox,
) -> TestResult {
    for _ in 0..guests {
        SHARED.count(Counter::Guests).await;
    }
    // Nobody answers a count, and nobody sleeps until it is done.
    sandbox.settle().await?;
    let counted: i64 = sqlx::query_scalar("SELECT value FROM statistics")
        .fetch_one(&pool)
        .await?;
    assert_eq!(counted, guests);
    assert_eq!(SHARED.summary().await?.guests, guests);
    Ok(())
}

#[sandboxed]
async fn a_closing_guestbook_counts_and_writes_what_it_was_given(app: TestApp) -> TestResult {
    let pool = app.pool.clone();
    app.sign_up("Ada", "ada@example.org").await;
    app.close().await;
    let (counted, letters): (i64, i64) =
        sqlx::query_as("SELECT value, (SELECT count(*) FROM letters) FROM statistics")
            .fetch_one(&pool)
            .await?;
    assert_eq!((counted, letters), (1, 1));
    Ok(())
}
