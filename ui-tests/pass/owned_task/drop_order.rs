//! Arguments move into the future, used or not, and are dropped in the order of an `async fn`.

use heirloom::owned_task;
use std::sync::Mutex;

static LOG: Mutex<Vec<&str>> = Mutex::new(Vec::new());

struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        LOG.lock().unwrap().push(self.0);
    }
}

async fn plain(first: Loud, _: Loud, (third, _): (Loud, Loud), _unused: Loud) {
    let _local = Loud("local");
    let _ = &first;
    drop(third);
}

#[owned_task]
async fn owned(first: Loud, _: Loud, (third, _): (Loud, Loud), _unused: Loud) {
    let _local = Loud("local");
    let _ = &first;
    drop(third);
}

impl Loud {
    async fn plain(self, _other: Loud) {
        let _local = Loud("local");
    }

    #[owned_task]
    async fn owned(self, _other: Loud) {
        let _local = Loud("local");
    }
}

fn log(future: impl std::future::Future<Output = ()>) -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(
        LOG.lock().unwrap().is_empty(),
        "dropped before it was polled"
    );
    runtime.block_on(async {
        let mut future = Box::pin(future);
        future.as_mut().await;
        LOG.lock().unwrap().push("completed");
    });
    std::mem::take(&mut *LOG.lock().unwrap())
}

fn main() {
    let args = || {
        (
            Loud("first"),
            Loud("wild"),
            (Loud("third"), Loud("fourth")),
            Loud("unused"),
        )
    };
    let (a, b, c, d) = args();
    let expected = log(plain(a, b, c, d));
    let (a, b, c, d) = args();
    assert_eq!(log(owned(a, b, c, d)), expected);

    let expected = log(Loud("self").plain(Loud("other")));
    assert_eq!(log(Loud("self").owned(Loud("other"))), expected);

    // Never polled: everything is dropped with the future.
    let (a, b, c, d) = args();
    drop(owned(a, b, c, d));
    assert_eq!(LOG.lock().unwrap().len(), 5);
}
