//! `drain_queue`: the jobs of a queue, run inside a test.

use heirloom::{Error, Repo, drain_queue, sandboxed};
use sqlx::Sqlite;

static REPO: Repo<Sqlite> = Repo::new();

/// A queue as an application has one: a table. A job is a guest; what it does is to greet, and it may fail.
async fn next() -> sqlx::Result<Option<String>> {
    let take = "DELETE FROM jobs WHERE id = (SELECT min(id) FROM jobs) RETURNING name";
    let Some(name) = sqlx::query_scalar::<_, String>(take)
        .fetch_optional(&REPO)
        .await?
    else {
        return Ok(None);
    };
    if name == "nobody" {
        return Err(sqlx::Error::Protocol("nobody is to be greeted".to_owned()));
    }
    if let Some(name) = name.strip_prefix("twice ") {
        push(name).await?;
    }
    if name == "for ever" {
        push("for ever").await?;
    }
    let greeting = sqlx::query("INSERT INTO greetings (name) VALUES (?)").bind(&name);
    greeting.execute(&REPO).await?;
    Ok(Some(name))
}

async fn push(name: &str) -> sqlx::Result<()> {
    let push = sqlx::query("INSERT INTO jobs (name) VALUES (?)").bind(name);
    push.execute(&REPO).await.map(drop)
}

async fn queue(names: &[&str]) -> sqlx::Result<()> {
    for table in ["jobs", "greetings"] {
        let make = format!("CREATE TABLE {table} (id integer PRIMARY KEY, name text)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make))
            .execute(&REPO)
            .await?;
    }
    for name in names {
        push(name).await?;
    }
    Ok(())
}

async fn greeted() -> sqlx::Result<Vec<String>> {
    let names = sqlx::query_scalar("SELECT name FROM greetings ORDER BY id");
    names.fetch_all(&REPO).await
}

#[sandboxed(migrations = false)]
async fn every_job_is_run_in_order_until_there_is_none() -> Result<(), heirloom::BoxError> {
    queue(&["ada", "grace"]).await?;
    let drained = drain_queue(next).await?;
    assert_eq!(drained.jobs, ["ada", "grace"]);
    assert!(drained.failed.is_empty());
    assert_eq!(greeted().await?, ["ada", "grace"]);
    assert!(drain_queue(next).await?.jobs.is_empty());
    Ok(())
}

#[sandboxed(migrations = false)]
async fn jobs_that_a_job_enqueues_are_run_as_well() -> Result<(), heirloom::BoxError> {
    queue(&["twice twice ada", "grace"]).await?;
    let drained = drain_queue(next).await?;
    assert_eq!(
        drained.jobs,
        ["twice twice ada", "grace", "twice ada", "ada"]
    );
    Ok(())
}

#[sandboxed(migrations = false)]
async fn the_first_failure_ends_it_and_names_the_job_and_the_place()
-> Result<(), heirloom::BoxError> {
    queue(&["ada", "nobody", "grace"]).await?;
    let line = line!() + 1;
    let error = drain_queue(next)
        .await
        .expect_err("nobody cannot be greeted");
    let text = format!("{error:?}");
    let place =
        format!("job 2 of the queue that tests/tests/drain_queue.rs:{line}:17 drains has failed");
    for part in [
        &*place,
        "after \"ada\"",
        "caused by",
        "nobody is to be greeted",
        "keep_going()",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert_eq!(greeted().await?, ["ada"]);
    Ok(())
}

#[sandboxed(migrations = false)]
async fn a_test_of_failures_goes_on_and_sees_them_all() -> Result<(), heirloom::BoxError> {
    queue(&["nobody", "ada", "nobody"]).await?;
    let drained = drain_queue(next).keep_going().await?;
    assert_eq!(drained.jobs, ["ada"]);
    let failed: Vec<usize> = drained.failed.iter().map(|job| job.number).collect();
    assert_eq!(failed, [1, 3]);
    let text = drained.failed[0].to_string();
    assert!(text.starts_with("job 1: "), "{text}");
    assert!(text.contains("nobody is to be greeted"), "{text}");
    Ok(())
}

#[sandboxed(migrations = false)]
async fn a_queue_that_never_ends_is_an_error_that_shows_its_last_jobs()
-> Result<(), heirloom::BoxError> {
    queue(&["ada", "for ever"]).await?;
    let error = drain_queue(next)
        .limit(20)
        .await
        .expect_err("it never ends");
    assert!(matches!(error, Error::QueueNeverEmpty { limit: 20, .. }));
    let text = error.to_string();
    for part in [
        "drain_queue.rs:",
        "more than 20 jobs",
        "the last ones \"for ever\"",
        "limit(n)",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert!(!text.contains("ada"), "{text}");
    Ok(())
}

#[sandboxed(migrations = false)]
async fn as_many_jobs_as_the_limit_are_not_too_many() -> Result<(), heirloom::BoxError> {
    queue(&["ada", "grace"]).await?;
    assert_eq!(drain_queue(next).limit(2).await?.jobs.len(), 2);
    push("ada").await?;
    drain_queue(next)
        .limit(0)
        .await
        .expect_err("one is more than none");
    Ok(())
}

#[sandboxed(migrations = false)]
async fn nobody_drains_for_ever_who_has_not_said_how_many() {
    let endless = async || Ok::<_, sqlx::Error>(Some("again"));
    let error = drain_queue(endless).await.expect_err("it never ends");
    assert!(matches!(error, Error::QueueNeverEmpty { limit: 1000, .. }));
}

/// Failures count as well: a job that fails and is there again at once would go on for ever.
#[sandboxed(migrations = false)]
async fn a_job_that_always_fails_comes_to_an_end() {
    let failing = async || Err::<Option<()>, _>("no");
    let error = drain_queue(failing).keep_going().limit(3).await;
    let text = error.expect_err("it never ends").to_string();
    assert!(text.contains("the last ones failed: no"), "{text}");
}

#[sandboxed(migrations = false)]
#[should_panic(expected = "the job's own")]
async fn a_panic_of_a_job_is_the_tests_own() {
    let panics = async || -> Result<Option<()>, String> { panic!("the job's own") };
    drop(drain_queue(panics).await);
}
