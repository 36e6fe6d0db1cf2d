//! What a failed test leaves to look at: its file.

use crate::support::{TestApp, count};
use guestbook::{SignUp, sign_up};
use heirloom::{Sandbox, Test};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const PANICS: &str = "guestbook::kept::panics";

/// The database that the failed test left: in `failed`, beside the directory of the running tests' databases.
fn kept(database: &Path) -> Option<PathBuf> {
    let failed = database.ancestors().nth(3)?.join("failed");
    let start = PANICS.replace("::", ".") + ".default-";
    let files = failed.read_dir().ok()?.flatten();
    files.map(|file| file.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&start) && name.ends_with(".sqlite")
    })
}

async fn signs_up_and_panics(sandbox: Sandbox, database: &mut PathBuf) {
    let app: TestApp = sandbox.get().await.expect("the guestbook");
    let options = app.pool.connect_options();
    options.get_filename().clone_into(database);
    app.sign_up("Ada", "ada@example.org").await;
    let mut signing = app.pool.begin().await.expect("a transaction");
    let grace = SignUp {
        name: "Grace".into(),
        email: "grace@example.org".into(),
    };
    sign_up(&mut *signing, &grace).await.expect("a guest");
    panic!("with a transaction open");
}

#[test]
fn a_failed_test_keeps_its_database_to_look_at() {
    let mut database = PathBuf::new();
    let path = &mut database;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        Test::here(PANICS).run(|sandbox: Sandbox| async move {
            signs_up_and_panics(sandbox, path).await;
            Ok(())
        })
    }));
    panicked.expect_err("it panics");
    assert!(!database.exists(), "{} is left", database.display());

    let left = kept(&database).expect("its path was printed");
    let options = SqliteConnectOptions::new().filename(&left);
    drop(
        Test::here("guestbook::kept::looks_at_it").run(|_: Sandbox| async {
            let kept = SqlitePool::connect_with(options).await?;
            let names: Vec<String> = sqlx::query_scalar("SELECT name FROM guests")
                .fetch_all(&kept)
                .await?;
            assert_eq!(names, ["Ada"], "what was committed, and nothing else");
            kept.close().await;
            Ok(())
        }),
    );

    drop(Test::here(PANICS).run(|sandbox: Sandbox| async move {
        let pool: SqlitePool = sandbox.get().await.expect("a database");
        assert_eq!(count(&pool, "guests").await, 0);
        Ok(())
    }));
    assert_eq!(
        kept(&database),
        None,
        "once the test passes, nothing is kept"
    );
}
