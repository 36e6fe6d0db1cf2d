//! The same stories by way of `sandbox.database_url()`: other drivers and programs as a test's own, on its one session.

mod own;

use heirloom::{Sandbox, sandboxed};
use heirloom_clients::{MIGRATIONS, diesel, pg_dump, psql, psycopg, sea, sqlx08, tokio_postgres};
use own::Own;

async fn url(sandbox: &Sandbox) -> String {
    sandbox.database_url().await.expect("a session")
}

macro_rules! stories {
    ($($name:ident: $story:path,)*) => {$(
        #[sandboxed(migrator = MIGRATIONS)]
        async fn $name(sandbox: Sandbox) {
            $story(&url(&sandbox).await).await;
        }
    )*};
}

stories! {
    tokio_postgres_pipelines: tokio_postgres::pipelines,
    tokio_postgres_copies_both_ways: tokio_postgres::copies_both_ways,
    tokio_postgres_notifies: tokio_postgres::notifies,
    tokio_postgres_nests: tokio_postgres::nests,
    tokio_postgres_defers: tokio_postgres::defers,
    tokio_postgres_cancels: tokio_postgres::cancels,
    tokio_postgres_fetches_in_parts: tokio_postgres::fetches_in_parts,
    tokio_postgres_works_at_once: tokio_postgres::works_at_once,
    diesel_works: diesel::works,
    sea_orm_works_over_a_url: sea::works_over_a_url,
    sea_orm_works_over_a_pool: sea::works_over_a_pool,
    sqlx_0_8_works: sqlx08::works,
    psql_runs_scripts: psql::runs_scripts,
    psql_runs_commands: psql::runs_commands,
    psql_describes: psql::describes,
    psycopg_works: psycopg::works,
}

#[sandboxed(migrator = MIGRATIONS)]
async fn pg_dump_dumps_the_same(sandbox: Sandbox) {
    let real = Own::new("dump_real").await;
    pg_dump::dumps_the_same(&url(&sandbox).await, &real.url).await;
    real.drop().await;
}
