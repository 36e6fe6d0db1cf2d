//! A suite that passes says nothing but what libtest says.

use heirloom::{Envelope, Sandbox, owned_task, sandboxed};
use sqlx::{Executor as _, PgPool, SqlitePool};
use std::future::pending;
use std::process::Command;
use std::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[owned_task(name = "pricing")]
async fn pricing(mut orders: UnboundedReceiver<Envelope<u32>>) {
    while let Some(order) = orders.recv().await {
        order.handle(async |_| ()).await;
    }
}

/// Leaves one of everything behind that a test may leave.
#[sandboxed(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_leaves_a_lot(sandbox: Sandbox, sqlite: SqlitePool, postgres: PgPool) {
    let (send, orders) = unbounded_channel();
    tokio::spawn(pricing(orders));
    send.send(Envelope::new(7)).unwrap();
    tokio::spawn(pending::<()>());
    // Parked with a transaction that is open, on each.
    let (lite, post) = (sqlite.clone(), postgres.clone());
    tokio::spawn(async move {
        let _open = (lite.begin().await.unwrap(), post.begin().await.unwrap());
        pending::<()>().await;
    });
    tokio::spawn(async move {
        sqlite.execute("SELECT 1").await.unwrap();
        postgres.execute("SELECT 1").await.unwrap();
    });
    let (held, released) = mpsc::channel::<()>();
    tokio::spawn(async move {
        let _held = (held, send);
        pending::<()>().await;
    });
    std::thread::spawn(move || released.recv().unwrap_err());
    tokio::task::spawn_blocking(|| ());
    sandbox.on_teardown(|| async { Ok(()) });
}

#[test]
fn a_test_that_passes_says_nothing() {
    let name = "silence::a_test_that_leaves_a_lot";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    let output = child.env_remove("RUST_LOG").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "");
    let mut lines = stdout.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("running 1 test"));
    let passed = format!("test {name} ... ok");
    assert_eq!(lines.next(), Some(passed.as_str()), "{stdout}");
    let result = lines.next().unwrap_or_default();
    assert!(result.starts_with("test result: ok. 1 passed"), "{stdout}");
    assert_eq!(lines.next(), None);
}
