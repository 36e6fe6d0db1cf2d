//! Every story against a real server: each has a database of its own there.

mod own;

use heirloom_clients::{diesel, pg_dump, psql, psycopg, sea, sqlx08, tokio_postgres};
use own::Own;

macro_rules! stories {
    ($($name:ident: $story:path,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let own = Own::new(stringify!($name)).await;
            $story(&own.url).await;
            own.drop().await;
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

#[tokio::test]
async fn pg_dump_dumps_the_same() {
    let (one, two) = (Own::new("dump_one").await, Own::new("dump_two").await);
    pg_dump::dumps_the_same(&one.url, &two.url).await;
    one.drop().await;
    two.drop().await;
}
