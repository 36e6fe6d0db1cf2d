//! Two thousand tests in one process, eight at once, and nothing left behind. A binary of its own: it counts the
//! process's threads and open files.

use heirloom::Sandbox;
use heirloom_tests::{test, wait_until};
use sqlx::SqlitePool;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const TESTS: usize = 2_000;
const AT_ONCE: usize = 8;

#[test]
fn two_thousand_tests_leave_no_file_handle_or_thread() {
    run_one(0);
    let (threads, handles) = (count("/proc/self/task"), count("/proc/self/fd"));
    let files = Mutex::new(Vec::new());
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) <= TESTS {
                    let file = run_one(next.load(Ordering::Relaxed));
                    files.lock().expect("files").push(file);
                }
            });
        }
    });
    let files = files.into_inner().expect("files");
    assert_eq!(files.len(), TESTS);
    let left: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let run = files[0].parent().expect("a directory");
    let left = heirloom_tests::files_below(run);
    assert_eq!(left, [] as [&str; 0], "left behind in {}", run.display());
    // SQLite's worker threads end by themselves a moment after their connection is closed.
    wait_until(
        || match (count("/proc/self/task"), count("/proc/self/fd")) {
            (now, open) if now <= threads && open <= handles => Ok(()),
            (now, open) => Err(format!(
                "{now} threads of {threads}, {open} handles of {handles}"
            )),
        },
    );
}

fn run_one(number: usize) -> PathBuf {
    let mut file = PathBuf::new();
    let seen = &mut file;
    drop(
        test(&format!("stress::test_{number}")).run(|sandbox: Sandbox| async move {
            let pool: SqlitePool = sandbox.get().await.expect("a pool");
            pool.connect_options().get_filename().clone_into(seen);
            let spawned = pool.clone();
            tokio::spawn(async move {
                sqlx::query("INSERT INTO guests VALUES (1, 'ada@example.org')")
                    .execute(&spawned)
                    .await
            })
            .await??;
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM guests")
                .fetch_one(&pool)
                .await?;
            assert_eq!(count, 1);
            Ok(())
        }),
    );
    file
}

fn count(directory: &str) -> usize {
    Path::new(directory).read_dir().map_or(0, Iterator::count)
}
