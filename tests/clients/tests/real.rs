//! Every story against a real server: each has a database of its own there.

use heirloom_clients::{MIGRATIONS, diesel, pg_dump, psql, psycopg, sea, sqlx08, tokio_postgres};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::str::FromStr as _;

const NO_SERVER: &str = "DATABASE_URL names a server on which databases can be made: `cargo xtask test` starts one, and `cargo xtask with-servers cargo test --package heirloom-clients` as well";

/// A migrated database; dropped at the end of a test that passes.
struct Own {
    name: String,
    url: String,
    home: PgConnection,
}

impl Own {
    async fn new(story: &str) -> Self {
        let server = std::env::var("DATABASE_URL").expect(NO_SERVER);
        let home = PgConnectOptions::from_str(&server).expect(NO_SERVER);
        let mut home = home.connect().await.expect(NO_SERVER);
        let name = format!("clients_{story}_{}", std::process::id());
        run(&mut home, format!("DROP DATABASE IF EXISTS {name}")).await;
        run(&mut home, format!("CREATE DATABASE {name}")).await;
        let (server, _) = server.rsplit_once('/').expect("a URL has a path");
        let url = format!("{server}/{name}");
        let pool = PgPoolOptions::new().max_connections(1).connect(&url).await;
        let pool = pool.expect("it connects");
        MIGRATIONS.run(&pool).await.expect("it is migrated");
        pool.close().await;
        Self { name, url, home }
    }

    async fn drop(mut self) {
        run(
            &mut self.home,
            format!("DROP DATABASE {} WITH (FORCE)", self.name),
        )
        .await;
        self.home.close().await.expect("it closes");
    }
}

async fn run(home: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(home).await;
    done.expect("it is run");
}

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
