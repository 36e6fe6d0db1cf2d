//! Jobs that wait in a queue which nobody owns, for a worker that works for everybody: each is its test's again when it runs.

use heirloom::{Error, OwnerContext, Repo, Sandbox, sandboxed};
use heirloom_tests::{count, insert, nobodys, says, test};
use sqlx::Sqlite;
use std::sync::LazyLock;
use tokio::sync::{mpsc, oneshot};

static REPO: Repo<Sqlite> = Repo::new();

/// As it would be in a table: text, and how its outcome is told.
struct Job {
    email: String,
    owner: String,
    done: oneshot::Sender<Result<(), String>>,
}

/// A queue and its worker, on a runtime of nobody's.
static QUEUE: LazyLock<mpsc::UnboundedSender<Job>> = LazyLock::new(|| {
    let (queue, mut jobs) = mpsc::unbounded_channel::<Job>();
    drop(nobodys().spawn(async move {
        while let Some(job) = jobs.recv().await {
            job.done.send(run(&job.email, &job.owner).await).ok();
        }
    }));
    queue
});

async fn run(email: &str, owner: &str) -> Result<(), String> {
    let owner: OwnerContext = owner.parse().map_err(|error: Error| error.to_string())?;
    let work = owner.restore(async { insert(&REPO, email).await });
    let work = work.map_err(|error| error.to_string())?;
    work.await.map_err(|error| error.to_string())
}

async fn done(email: &str, owner: OwnerContext) -> Result<(), String> {
    let (done, outcome) = oneshot::channel();
    let (email, owner) = (email.to_owned(), owner.to_string());
    QUEUE.send(Job { email, owner, done }).expect("a worker");
    outcome.await.expect("an outcome")
}

#[test]
fn one_worker_works_for_many_tests_at_once_each_on_its_own_data() {
    std::thread::scope(|scope| {
        for jobs in 1..=8 {
            scope.spawn(move || {
                drop(test("contexts::many").run(async move |_: Sandbox| {
                    for job in 0..jobs {
                        // The same addresses in all of them.
                        let email = format!("guest{job}@example.org");
                        assert_eq!(done(&email, OwnerContext::capture()).await, Ok(()));
                    }
                    assert_eq!(count(&REPO).await?, jobs);
                    Ok(())
                }));
            });
        }
    });
}

#[test]
fn a_job_whose_test_has_ended_is_refused_and_names_it() {
    let (tell, told) = std::sync::mpsc::channel();
    drop(
        test("contexts::ended")
            .run(async move |_: Sandbox| Ok(tell.send(OwnerContext::capture())?)),
    );
    let owner = told.recv().expect("captured");
    let error = owner.restore(async {}).err().expect("it has ended");
    assert!(matches!(error, Error::OwnerEnded { .. }), "{error}");
    says(&error, &["`contexts::ended`", "contexts.rs:"]);
    let error = nobodys().block_on(done("late@example.org", owner));
    assert!(
        error
            .expect_err("it has ended")
            .contains("`contexts::ended`")
    );
}

#[sandboxed]
async fn restored_work_is_waited_for_by_settle(sandbox: Sandbox) {
    let (go, gone) = oneshot::channel::<()>();
    let work = OwnerContext::capture().restore(async move {
        // Until its work begins it waits for somebody, as any task.
        gone.await.expect("it goes");
        for guest in 0..20 {
            tokio::task::yield_now().await;
            let email = format!("guest{guest}@example.org");
            insert(&REPO, &email).await.expect("a guest");
        }
    });
    drop(nobodys().spawn(work.expect("it runs")));
    sandbox.settle().await.expect("it only waits");
    assert_eq!(count(&REPO).await.expect("a count"), 0);
    go.send(()).expect("it waits");
    sandbox.settle().await.expect("it is done");
    assert_eq!(count(&REPO).await.expect("a count"), 20);
}

#[test]
fn a_job_of_nobody_is_nobodys() {
    let error = nobodys().block_on(done("nobody@example.org", OwnerContext::default()));
    let error = error.expect_err("nobody owns the worker");
    assert!(
        error.contains("nobody owns this use of repo `default`"),
        "{error}"
    );
}
