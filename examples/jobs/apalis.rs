//! apalis carries metadata with each task, and has layers around its workers: the owner of whoever pushed a task goes along
//! in the first, and one of the second restores it. So one worker, on a runtime of its own, serves all tests at once.
//!
//! Run with: `cargo test --package jobs --test apalis`

use apalis_core::backend::TaskSink as _;
use apalis_core::backend::memory::{MemorySink, MemoryStorage};
use apalis_core::error::{AbortError, BoxDynError};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::event::Event;
use apalis_core::worker::ext::parallelize::ParallelizeExt as _;
use apalis_sqlite::SqliteStorage;
use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::lock::Mutex;
use futures_util::{SinkExt as _, StreamExt as _};
use heirloom::apalis::OwnedJobLayer;
use heirloom::{BoxError, Error, OwnerContext, Repo, Sandbox, Test, eventually_within, sandboxed};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;
use sqlx::{Sqlite, SqlitePool};
use std::error::Error as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

// The application: a global database, and letters that it writes later.

static REPO: Repo<Sqlite> = Repo::new();

/// Writes a letter, and pushes the next job if there are to be more.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Letters {
    guest: i64,
    more: u8,
}

async fn write(job: Letters) -> Result<(), BoxDynError> {
    let write = sqlx::query("INSERT INTO letters VALUES (?, 'Welcome!')");
    write.bind(job.guest).execute(&REPO).await?;
    if let Some(more) = job.more.checked_sub(1) {
        push(Letters { more, ..job })?;
    }
    Ok(())
}

/// A job belongs to whoever pushes it. In production that is written nowhere.
fn owned(job: Letters) -> Task<Letters> {
    let job = TaskBuilder::new(job).metadata(&OwnerContext::capture());
    job.build()
}

fn push(job: Letters) -> Result<(), BoxDynError> {
    Ok(QUEUE.unbounded_send(owned(job))?)
}

async fn sign_up(email: &str) -> sqlx::Result<i64> {
    let insert = sqlx::query_scalar("INSERT INTO guests (email) VALUES (?) RETURNING id");
    insert.bind(email).fetch_one(&REPO).await
}

/// The one queue of this process. Its one worker runs on a thread of its own: longer than any test, and nobody's.
///
/// Pushed to is the channel itself, as several threads cannot push to clones of a `MemorySink` at once: in apalis-core 1.0.0
/// it waits for a lock without being woken, or panics over it.
static QUEUE: LazyLock<UnboundedSender<Task<Letters>>> = LazyLock::new(|| {
    let (sender, receiver) = unbounded();
    let sink = sender.clone().sink_map_err(Into::into);
    let sink = MemorySink::new(Arc::new(Mutex::new(Box::new(sink))));
    let storage = MemoryStorage::new_with(sink, Box::pin(receiver));
    let worker = WorkerBuilder::new("letters").backend(storage);
    // Each job is a task of its own. What is added last is inside of that, and goes along with the job.
    let worker = worker.parallelize(tokio::spawn).layer(OwnedJobLayer::new());
    let worker = worker.build(write);
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(worker.run())
    });
    sender
});

// Its tests. They run at once, each on its own database: the same guest signs up in all of them.

async fn written() -> sqlx::Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM letters");
    count.fetch_one(&REPO).await
}

/// While a job waits in a queue outside of the test, nobody knows whose it is: so the test waits for what it does.
async fn is_written(letters: i64) -> Result<(), Error> {
    let is_written = async || written().await.is_ok_and(|written| written == letters);
    // The one worker has the jobs of all tests before it.
    eventually_within(Duration::from_mins(1), is_written).await
}

#[sandboxed(migrations = "migrations/sqlite")]
async fn the_shared_worker_writes_for_whoever_pushed(sandbox: Sandbox) -> Result<(), BoxError> {
    let guest = sign_up("ada@example.org").await?;
    push(Letters { guest, more: 0 })?;
    is_written(1).await?;
    sandbox.settle().await?;
    assert_eq!(written().await?, 1);
    Ok(())
}

#[sandboxed(migrations = "migrations/sqlite")]
async fn what_a_job_pushes_belongs_to_the_same_test() -> Result<(), BoxError> {
    let guest = sign_up("ada@example.org").await?;
    push(Letters { guest, more: 9 })?;
    is_written(10).await?;
    Ok(())
}

#[test]
fn twenty_tests_at_once_get_their_own_letters_and_no_others() {
    let run = |letters: u8| {
        let test = Test::here("at_once").migrations_dir("migrations/sqlite");
        test.run(move |_: Sandbox| async move {
            let guest = sign_up("ada@example.org").await?;
            let job = Letters {
                guest,
                more: letters,
            };
            push(job).expect("it is pushed");
            is_written(i64::from(letters) + 1).await?;
            Ok(())
        })
    };
    std::thread::scope(|scope| {
        let tests: Vec<_> = (0..20)
            .map(|letters| scope.spawn(move || run(letters)))
            .collect();
        for test in tests {
            drop(test.join().expect("it passes"));
        }
    });
}

/// A job that comes too late is not run, and not tried again; what it says names the test.
#[sandboxed(migrations = "migrations/sqlite")]
async fn a_job_of_a_test_that_has_ended_is_refused() -> Result<(), BoxError> {
    let mut storage = MemoryStorage::new();
    storage.push_task(pushed_by_a_test_that_has_ended()).await?;
    let worker = WorkerBuilder::new("late").backend(storage);
    let worker = worker.layer(OwnedJobLayer::new()).build(write);
    let events = worker.stream().filter_map(async |event| match event {
        Ok(Event::Error(error)) => Some(error),
        _ => None,
    });
    let error = std::pin::pin!(events).next().await.expect("an error");
    let aborted = error.downcast_ref::<AbortError>().expect("for good");
    let error = aborted.source().expect("a cause").to_string();
    assert!(error.contains("`pushes_too_late`"), "{error}");
    assert_eq!(written().await?, 0);
    Ok(())
}

fn pushed_by_a_test_that_has_ended() -> Task<Letters> {
    let test = std::thread::spawn(|| {
        let mut pushed = None;
        let outcome = Test::here("pushes_too_late").run(|_: Sandbox| {
            let pushed = &mut pushed;
            async move {
                *pushed = Some(owned(Letters { guest: 1, more: 0 }));
                Ok(())
            }
        });
        drop(outcome);
        pushed
    });
    let pushed = test.join().expect("it passes");
    pushed.expect("it has pushed")
}

/// Where the queue is a table, a test has a worker of its own, as nobody else sees what is in the test's database. On the
/// test's runtime it is the test's without any token.
#[sandboxed(migrator = WITH_A_QUEUE)]
async fn a_worker_of_the_tests_own_serves_its_table(pool: SqlitePool) -> Result<(), BoxError> {
    let guest = sign_up("ada@example.org").await?;
    let mut storage = SqliteStorage::new(&pool);
    storage.push(Letters { guest, more: 0 }).await?;
    let worker = WorkerBuilder::new("own").backend(storage).build(write);
    drop(tokio::spawn(worker.run()));
    is_written(1).await?;
    Ok(())
}

/// The application's schema and that of the queue.
static WITH_A_QUEUE: LazyLock<Migrator> = LazyLock::new(|| {
    let own = sqlx::migrate!("./migrations/sqlite");
    let queue = SqliteStorage::migrations();
    let all = own.iter().chain(queue.iter()).cloned();
    Migrator::with_migrations(all.collect())
});
