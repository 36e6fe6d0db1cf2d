//! Templates and clones on a real server, made by many at once, killed in the middle, refused.

mod clones;
mod making;
mod names;
mod processes;

use super::{
    CloneDb, Clones, KEPT_UNUSED, PATIENCE, Purpose, Template, TemplateError, Wanted,
    drop_by_force, ensure, tidy,
};
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::upstream::Upstream;
use crate::isolation::postgres::upstream::tests::Throwaway;
use sqlx::migrate::Migrator;
use std::path::{Path, PathBuf};

/// Migrations in a directory that goes with this.
struct Suite {
    dir: PathBuf,
    migrator: Migrator,
    hash: String,
    extensions: Vec<String>,
}

impl Suite {
    async fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let dir =
            std::env::temp_dir().join(format!("heirloom-suite-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (file, sql) in files {
            std::fs::write(dir.join(file), sql).unwrap();
        }
        Self::of(&dir, name).await
    }

    async fn of(dir: &Path, name: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            migrator: Migrator::new(dir).await.unwrap(),
            hash: format!("hash of {name}"),
            extensions: Vec::new(),
        }
    }

    fn wanted(&self, purpose: Purpose) -> Wanted<'_> {
        Wanted {
            hash: &self.hash,
            migrator: Some(&self.migrator),
            extensions: &self.extensions,
            purpose,
            patience: PATIENCE,
        }
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

const NOTES: &[(&str, &str)] = &[
    (
        "1_notes.sql",
        "CREATE TABLE notes (id bigserial PRIMARY KEY, body text NOT NULL UNIQUE); INSERT INTO notes (body) VALUES ('first')",
    ),
    (
        "2_more.sql",
        "CREATE TABLE tags (note bigint REFERENCES notes, tag text); CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM notes",
    ),
];

fn server() -> &'static Throwaway {
    Throwaway::get()
}

/// The application's database, which is not there.
fn app(base: &str) -> Config {
    server().unix("creator", base)
}

async fn admin() -> Upstream {
    Upstream::connect(&server().unix("postgres", "postgres"))
        .await
        .unwrap()
}

/// All databases whose names begin so.
async fn databases(prefix: &str) -> Vec<String> {
    let sql = format!(
        "SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}') ORDER BY 1"
    );
    let rows = admin().await.simple(&sql).await.unwrap().rows;
    rows.into_iter()
        .map(|mut row| row.remove(0).unwrap())
        .collect()
}

async fn ask(config: &Config, sql: &str) -> Option<String> {
    let mut session = Upstream::connect(config).await.unwrap();
    let answer = session
        .simple(sql)
        .await
        .unwrap()
        .first()
        .map(str::to_owned);
    session.close().await;
    answer
}

async fn count(config: &Config) -> Option<String> {
    ask(config, "SELECT count(*) FROM notes").await
}

/// The text and those of its causes, as `heirloom::Error` prints them.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}\n{error}");
        cause = error.source();
    }
    text
}
