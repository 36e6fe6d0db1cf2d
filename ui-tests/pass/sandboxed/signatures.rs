//! Every shape of test.

use heirloom::{Owner, Sandbox, sandboxed};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};
use std::process::ExitCode;

/// Documented.
#[sandboxed]
async fn nothing() {}

#[sandboxed]
pub(crate) async fn patterns(mut pool: SqlitePool, Unpacked { sandbox, .. }: Unpacked, _: Owner) {
    pool = pool.clone();
    drop((pool, sandbox));
}

#[sandboxed]
async fn result(
    pool: SqlitePool,
    mut connection: PoolConnection<Sqlite>,
) -> Result<(), Box<dyn std::error::Error>> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    if pool.is_closed() {
        return Err("closed".into());
    }
    Ok(())
}

#[sandboxed]
async fn termination() -> impl std::process::Termination {
    ExitCode::SUCCESS
}

#[sandboxed]
fn plain(owner: Owner, sandbox: Sandbox) -> Result<(), std::num::ParseIntError> {
    drop((owner, sandbox));
    std::thread::spawn(|| {}).join().unwrap();
    "1".parse::<u8>().map(drop)
}

#[sandboxed]
fn plain_without_arguments() {}

#[sandboxed]
#[should_panic(expected = "on purpose")]
async fn panics() {
    panic!("on purpose");
}

#[sandboxed]
#[ignore = "that it stays ignored is the test"]
async fn ignored() {
    panic!("an ignored test ran");
}

#[sandboxed]
#[allow(unused_variables, reason = "lint levels reach the body")]
async fn r#async(unused: SqlitePool) {}

struct Unpacked {
    sandbox: Sandbox,
    _owner: Owner,
}

impl heirloom::FromSandbox for Unpacked {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, heirloom::BoxError> {
        Ok(Self {
            sandbox: sandbox.get().await?,
            _owner: sandbox.get().await?,
        })
    }
}

macro_rules! generated {
    ($name:ident, $crate_path:path) => {
        #[sandboxed(crate = ::heirloom)]
        async fn $name(pool: SqlitePool) {
            let work = async move { drop(pool) };
            tokio::spawn(work).await.unwrap();
        }
    };
}

generated!(by_macro_rules, heirloom);
