//! `graphile_worker` keeps its jobs in PostgreSQL, in a schema of its own. In a test the worker's `run_once` runs what there
//! is and what that enqueues, as a part of the test: it is this library's own way to drain a queue.
//!
//! A worker that all tests share has nothing to do: a job that a test has added is in the test's own database, where
//! nobody else sees it. It needs no token either, as nothing of it leaves the test.
//!
//! Run with: `cargo xtask with-servers cargo test --package jobs --test graphile`

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, TaskHandler, Worker, WorkerContext, WorkerContextExt as _,
    WorkerOptions,
};
use heirloom::{BoxError, FromSandbox, Sandbox, sandboxed};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgPool};

// The application: jobs that write letters, the first of which adds the second.

#[derive(Deserialize, Serialize)]
struct Welcome {
    guest: i64,
}

impl TaskHandler for Welcome {
    const IDENTIFIER: &'static str = "welcome";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        write(&context, self.guest, "Welcome!").await?;
        let next = Introduce { guest: self.guest };
        context.add_job(next, JobSpec::default()).await.map(drop)?;
        Ok::<(), BoxError>(())
    }
}

#[derive(Deserialize, Serialize)]
struct Introduce {
    guest: i64,
}

impl TaskHandler for Introduce {
    const IDENTIFIER: &'static str = "introduce";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        write(&context, self.guest, "May we introduce ourselves?").await
    }
}

async fn write(context: &WorkerContext, guest: i64, text: &str) -> Result<(), BoxError> {
    let write = sqlx::query("INSERT INTO letters VALUES ($1, $2)").bind(guest);
    write.bind(text).execute(context.pg_pool()).await?;
    Ok(())
}

async fn sign_up(pool: &PgPool, worker: &Worker, email: &str) -> Result<(), BoxError> {
    let insert = "INSERT INTO guests (email) VALUES ($1) RETURNING id";
    let guest = sqlx::query_scalar(insert).bind(email);
    let guest = guest.fetch_one(pool).await?;
    let utils = worker.create_utils();
    utils.add_job(Welcome { guest }, JobSpec::default()).await?;
    Ok(())
}

// Its tests.

/// A worker of the test's own. `init` makes its schema: a name of the test's own keeps tests that run at once from waiting
/// for each other to make the same one, as long as it is not among the application's migrations.
struct Office {
    worker: Worker,
    schema: String,
}

impl FromSandbox for Office {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let schema = heirloom::unique("jobs").replace('-', "_");
        let worker = WorkerOptions::default()
            .pg_pool(sandbox.get().await?)
            .schema(schema.clone())
            .concurrency(1)
            .define_job::<Welcome>()
            .define_job::<Introduce>()
            .init()
            .await?;
        Ok(Self { worker, schema })
    }
}

impl Office {
    /// Runs the jobs and says which have failed: `run_once` only logs that.
    async fn drain(&self, pool: &PgPool) -> Result<Vec<String>, BoxError> {
        self.worker.run_once().await?;
        let schema = &self.schema;
        let failed = format!(
            "SELECT task_identifier || ': ' || last_error FROM {schema}.jobs WHERE last_error IS NOT NULL"
        );
        let failed = sqlx::query_scalar(AssertSqlSafe(failed));
        Ok(failed.fetch_all(pool).await?)
    }
}

async fn written(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    let texts = sqlx::query_scalar("SELECT text FROM letters ORDER BY text DESC");
    texts.fetch_all(pool).await
}

#[sandboxed]
async fn a_new_guest_gets_two_letters(office: Office, pool: PgPool) -> Result<(), BoxError> {
    sign_up(&pool, &office.worker, "ada@example.org").await?;
    assert!(written(&pool).await?.is_empty());
    assert_eq!(office.drain(&pool).await?, [""; 0]);
    assert_eq!(
        written(&pool).await?,
        ["Welcome!", "May we introduce ourselves?"]
    );
    Ok(())
}

#[sandboxed]
async fn what_fails_is_seen(office: Office, pool: PgPool) -> Result<(), BoxError> {
    let utils = office.worker.create_utils();
    let job = Introduce { guest: 404 };
    utils.add_job(job, JobSpec::default()).await?;
    let failed = office.drain(&pool).await?;
    assert!(failed[0].starts_with("introduce: "), "{failed:?}");
    assert!(failed[0].contains("letters_guest_fkey"), "{failed:?}");
    Ok(())
}
