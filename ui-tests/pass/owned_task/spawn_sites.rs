//! Every known spawn compiles with its work wrapped, and keeps its type.
#![deny(warnings, clippy::all)]

use futures_util::FutureExt as _;
use heirloom::owned_task;
use std::future::Future;
use std::pin::Pin;
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_blocking};
use tokio_util::task::{JoinMap, LocalPoolHandle, TaskTracker};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[owned_task]
async fn tokio_spawns(boxed: Boxed<u8>) -> u8 {
    let one: JoinHandle<u8> = tokio::spawn(async { 1 });
    let two = tokio::task::spawn(async move { one.await.unwrap() + 1 })
        .await
        .unwrap();
    let three = spawn_blocking(move || two + 1).await.unwrap();
    let four = tokio::task::spawn_blocking(|| 4).await.unwrap();
    let five = tokio::spawn(boxed).await.unwrap();
    let handle = tokio::runtime::Handle::current();
    let six = handle.spawn(async { 6 }).await.unwrap();
    let seven = handle.spawn_blocking(|| 7).await.unwrap();
    let failed: Result<u8, std::num::ParseIntError> =
        tokio::spawn(async { "8".parse::<u8>() }).await.unwrap();
    three + four + five + six + seven + failed.unwrap()
}

#[owned_task]
async fn sets() -> u32 {
    let handle = tokio::runtime::Handle::current();
    let mut set = JoinSet::new();
    set.spawn(async { 1 });
    set.spawn_on(async { 2 }, &handle);
    set.spawn_blocking(|| 3);
    set.spawn_blocking_on(|| 4, &handle);
    JoinSet::spawn(&mut set, async { 5 });
    let mut map = JoinMap::new();
    map.spawn("key", async { 6 });
    map.spawn_blocking("other", || 7);
    map.spawn_on("third", async { 8 }, &handle);
    let tracker = TaskTracker::new();
    let nine = tracker.spawn(async { 9 });
    let ten = tracker.spawn_blocking(|| 10);
    let mut sum = nine.await.unwrap() + ten.await.unwrap();
    while let Some(value) = set.join_next().await {
        sum += value.unwrap();
    }
    while let Some((_, value)) = map.join_next().await {
        sum += value.unwrap();
    }
    sum
}

#[owned_task]
async fn local() -> u8 {
    let set = LocalSet::new();
    let one = set.spawn_local(async { 1 });
    let two = set
        .run_until(async { tokio::task::spawn_local(async { 2 }).await.unwrap() })
        .await;
    let pool = LocalPoolHandle::new(1);
    let three = pool.spawn_pinned(|| async { 3 }).await.unwrap();
    set.await;
    one.await.unwrap() + two + three
}

#[owned_task]
fn threads() -> u8 {
    let text = String::from("abc");
    let one = std::thread::spawn(|| 1).join().unwrap();
    let two = std::thread::Builder::new()
        .name("two".to_owned())
        .spawn(move || 2)
        .unwrap()
        .join()
        .unwrap();
    let mut count = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| count += u8::try_from(text.len()).unwrap());
        std::thread::Builder::new()
            .spawn_scoped(scope, || text.len())
            .unwrap();
    });
    one + two + count
}

#[rustfmt::skip]
#[owned_task]
fn on_rayon() -> usize {
    let text = String::from("abc");
    let (a, b) = rayon::join(|| text.len(), || text.len());
    rayon::scope(|scope| {
        scope.spawn(|inner| {
            inner.spawn(|_| {
                let _ = text.len();
            });
        });
        scope.spawn_fifo_or_not();
        rayon::spawn(|| {});
        rayon::spawn_fifo(move || {});
    });
    rayon::spawn_broadcast(|_| {});
    let typed = std::thread::spawn::<fn() -> u8, u8>(|| 1).join().unwrap();
    assert_eq!(typed, 1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let each = pool.broadcast(|context| context.index() + text.len());
    let installed = pool.install(|| text.len());
    pool.scope(|scope| { scope.spawn(move |_| {}) });
    pool.scope(|scope| { scope.spawn(|_| { rayon::spawn(|| { drop(String::new()) }) }) });
    a + b + each[0] + installed
}

trait FifoOrNot {
    fn spawn_fifo_or_not(&self) {}
}

impl FifoOrNot for rayon::Scope<'_> {}

#[owned_task]
fn on_futures() -> u8 {
    use futures_util::task::SpawnExt;
    let pool = futures_executor::ThreadPool::new().unwrap();
    pool.spawn_ok(async {});
    pool.spawn(async {}).unwrap();
    pool.spawn(async {}.boxed()).unwrap();
    let handle = pool.spawn_with_handle(async { 1 }).unwrap();
    futures_executor::block_on(handle)
}

#[owned_task]
fn generic<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

mod upgrades {
    use axum::extract::ws::{WebSocket, WebSocketUpgrade};
    use axum::response::Response;

    #[heirloom::owned_task]
    pub async fn with_closure(upgrade: WebSocketUpgrade) -> Response {
        let name = String::from("ada");
        upgrade.on_upgrade(move |socket| chat(socket, name))
    }

    #[rustfmt::skip]
    #[heirloom::owned_task]
    pub async fn with_braces(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(|socket| { listen(socket) })
    }

    #[heirloom::owned_task]
    pub async fn with_block(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(|mut socket| async move {
            drop(socket.recv().await);
        })
    }

    #[heirloom::owned_task]
    pub async fn with_function(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(listen)
    }

    async fn chat(_: WebSocket, _: String) {}

    async fn listen(_: WebSocket) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        assert_eq!(tokio_spawns(Box::pin(async { 5 })).await, 33);
        assert_eq!(sets().await, 55);
        assert_eq!(generic(async { 1 }).await.unwrap(), 1);
    });
    let current = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(current.block_on(local()), 6);
    assert_eq!(threads(), 6);
    assert_eq!(on_rayon(), 12);
    assert_eq!(on_futures(), 1);
    let _ = (
        upgrades::with_braces,
        upgrades::with_closure,
        upgrades::with_block,
        upgrades::with_function,
    );
}
