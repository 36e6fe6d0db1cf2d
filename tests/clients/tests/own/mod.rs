//! A real database for one story.

use heirloom_clients::MIGRATIONS;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::str::FromStr as _;

const NO_SERVER: &str = "DATABASE_URL names a server on which databases can be made: `cargo xtask test` starts one, and `cargo xtask with-servers cargo test --package heirloom-clients` as well";

/// A migrated database; dropped at the end of a test that passes.
pub(crate) struct Own {
    name: String,
    /// Where it is.
    pub(crate) url: String,
    home: PgConnection,
}

impl Own {
    pub(crate) async fn new(story: &str) -> Self {
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

    pub(crate) async fn drop(mut self) {
        // The server ends its own autovacuum in there, which force cannot, and waits 5 s for who is about to leave.
        run(&mut self.home, format!("DROP DATABASE {}", self.name)).await;
        self.home.close().await.expect("it closes");
    }
}

async fn run(home: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(home).await;
    done.expect("it is run");
}
