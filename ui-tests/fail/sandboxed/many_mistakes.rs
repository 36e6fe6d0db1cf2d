// Arguments, signature and body: all at once, each at its token, and the function is still there.
use heirloom::sandboxed;

#[sandboxed(flavor = "multi", worker_threads = 0, fixture("users"), drain_timeout = 5)]
#[tokio::test]
async unsafe fn test(pool: &sqlx::SqlitePool) {
    let start = tokio::spawn;
    start(async {});
    #[unowned]
    tokio::spawn(async {});
}

fn main() {
    let _ = test;
}
