//! Ways to give a test its own copy of a migrated SQLite template: copying the file, writing it out from memory,
//! `VACUUM INTO`, and deserializing it (which is one connection in memory, without WAL: measured, but not an option).
//!
//! Each until the first row is read, and back to nothing.
//!
//! Run with: `cargo bench -p heirloom-benches --bench copies`

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use heirloom_benches::MIGRATOR;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

fn copies(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("copies");
    fs::create_dir_all(&dir).expect("a directory");
    let template = dir.join("template.sqlite");
    runtime.block_on(migrate(&template));
    let bytes = fs::read(&template).expect("the template");
    let mut group = criterion.benchmark_group("copy_to_first_row");
    let mut measure = |name: &str, copy: &dyn Fn(&Runtime, &Path)| {
        let to = dir.join("copy.sqlite");
        group.bench_function(name, |bencher| {
            let fresh = || remove(&to);
            let run = |()| {
                copy(&runtime, &to);
                runtime.block_on(first_row(&to));
                remove(&to);
            };
            bencher.iter_batched(fresh, run, BatchSize::PerIteration);
        });
    };
    // `copy_file_range`, which copies by reference where the file system can.
    measure("file_copy", &|_, to| {
        fs::copy(&template, to).map(|_| ()).expect("a copy");
    });
    measure("write_from_memory", &|_, to| {
        fs::write(to, &bytes).expect("a copy");
    });
    measure("vacuum_into", &|runtime, to| {
        runtime.block_on(vacuum(&template, to));
    });
    let unlogged = without_wal(&bytes);
    group.bench_function("deserialize", |bencher| {
        bencher.iter(|| runtime.block_on(deserialize(&unlogged)));
    });
    group.finish();
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Off)
}

/// A database in memory cannot have a write-ahead log; these two header bytes say that it has none.
fn without_wal(database: &[u8]) -> Vec<u8> {
    let mut bytes = database.to_vec();
    bytes[18..20].fill(1);
    bytes
}

async fn migrate(template: &Path) {
    remove(template);
    let options = options(template)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("it opens");
    MIGRATOR.run(&mut connection).await.expect("migrations");
    connection.close().await.expect("it closes");
}

async fn first_row(path: &Path) {
    let mut connection = SqliteConnection::connect_with(&options(path))
        .await
        .expect("it opens");
    read(&mut connection).await;
    connection.close().await.expect("it closes");
}

async fn read(connection: &mut SqliteConnection) {
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(connection).await.expect("a count"), 0);
}

async fn vacuum(template: &Path, to: &Path) {
    let mut connection = SqliteConnection::connect_with(&options(template))
        .await
        .expect("it opens");
    let sql = format!("VACUUM INTO '{}'", to.display());
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .expect("a copy");
    connection.close().await.expect("it closes");
}

async fn deserialize(bytes: &[u8]) {
    let mut connection = SqliteConnection::connect("sqlite::memory:")
        .await
        .expect("it opens");
    let owned = sqlx::sqlite::SqliteOwnedBuf::try_from(bytes).expect("a buffer");
    connection
        .deserialize(None, owned, false)
        .await
        .expect("it is read");
    read(&mut connection).await;
    connection.close().await.expect("it closes");
}

fn remove(database: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{suffix}", database.display()));
        fs::remove_file(file).ok();
    }
}

criterion_group!(benches, copies);
criterion_main!(benches);
