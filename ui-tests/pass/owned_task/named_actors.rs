//! A name goes with every kind of work, and changes none of the types around it.
#![deny(warnings, clippy::all)]

use async_trait::async_trait;
use futures_util::FutureExt as _;
use heirloom::owned_task;
use std::future::Future;
use std::pin::Pin;
use tokio::task::{JoinHandle, JoinSet};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[owned_task(name = "async fn")]
async fn actor<T: Send>(value: &T, count: u8) -> Result<(&T, u8), std::num::ParseIntError> {
    let more: u8 = "1".parse()?;
    let child = tokio::spawn(async move { count + more });
    Ok((value, child.await.unwrap()))
}

#[owned_task(name = "renamed", crate = ::heirloom)]
async fn with_a_path() -> u8 {
    1
}

struct Prices(u8);

impl Prices {
    #[owned_task(name = "method")]
    async fn raise(&mut self) -> u8 {
        self.0 += 1;
        self.0
    }

    #[owned_task(name = "returned")]
    fn boxed(&self) -> Boxed<'_, u8> {
        if self.0 == 0 {
            return Box::pin(async { 0 });
        }
        Box::pin(async { tokio::spawn(async { 1 }).await.unwrap() + self.0 })
    }

    #[owned_task(name = "returned")]
    fn bare(self) -> impl Future<Output = u8> {
        async move { self.0 }
    }

    #[owned_task(name = "returned")]
    fn by_method(&self) -> Boxed<'_, u8> {
        async { self.0 }.boxed()
    }
}

#[async_trait]
trait Runs {
    async fn run(&self) -> u8;
}

#[async_trait]
impl Runs for Prices {
    #[owned_task(name = "async_trait")]
    async fn run(&self) -> u8 {
        tokio::spawn(with_a_path()).await.unwrap() + self.0
    }
}

#[owned_task]
impl Prices {
    #[owned_task(name = "one of the methods")]
    async fn one(&self) -> u8 {
        self.0
    }

    async fn other(&self) -> u8 {
        self.0
    }
}

#[owned_task(name = "below")]
#[tracing::instrument(skip(text))]
async fn instrumented_below(text: &str) -> usize {
    text.len()
}

#[tracing::instrument]
#[owned_task(name = "above")]
async fn instrumented_above(text: &str) -> usize {
    text.len()
}

#[owned_task(name = "spawned")]
fn start(boxed: Boxed<'static, u8>) -> Vec<JoinHandle<u8>> {
    let mut handles = vec![
        tokio::spawn(async { tokio::spawn(async { 1 }).await.unwrap() }),
        tokio::spawn(boxed),
        tokio::task::spawn_blocking(|| 3),
        tokio::runtime::Handle::current().spawn(with_a_path()),
    ];
    handles.extend((5..7).map(|number| tokio::spawn(async move { number })));
    #[unowned("nobody is to know its name")]
    handles.push(tokio::spawn(async { 7 }));
    handles
}

#[owned_task(name = "set")]
fn start_set() -> JoinSet<u8> {
    let mut set = JoinSet::new();
    set.spawn(async { 1 });
    set.spawn_blocking(|| 2);
    set
}

#[owned_task(name = "generic")]
fn generic<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

#[owned_task(name = "thread")]
fn threads() -> usize {
    let text = String::from("abc");
    let one = std::thread::spawn(|| std::thread::spawn(|| 1).join().unwrap());
    let mut count = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| count += text.len());
        std::thread::Builder::new()
            .spawn_scoped(scope, || text.len())
            .unwrap();
    });
    one.join().unwrap() + count
}

struct Context {
    number: u8,
}

#[derive(Debug)]
struct Job {
    number: u8,
    text: String,
}

struct Supervisor;

impl Supervisor {
    fn spawn<R>(&self, work: impl FnOnce(&mut Context) -> R) -> R {
        work(&mut Context { number: 1 })
    }
}

struct Repeats;

impl Repeats {
    fn spawn<R>(&self, mut work: impl FnMut() -> R) -> (R, R) {
        (work(), work())
    }
}

struct Shares;

impl Shares {
    fn spawn(&self, work: impl Fn() -> u8 + Send + 'static) -> u8 {
        work() + work()
    }
}

struct Async;

impl Async {
    fn spawn<F: AsyncFn(u8) -> u8>(&self, work: F) -> u8 {
        futures_executor::block_on(work(1)) + futures_executor::block_on(work(2))
    }
}

struct Pairs;

impl Pairs {
    fn spawn(&self, first: u8, second: Option<u8>) -> u8 {
        first + second.unwrap_or(1)
    }
}

#[rustfmt::skip]
#[owned_task(name = "closure")]
fn closures() {
    let text = String::from("abc");
    let job = Supervisor.spawn(|context| Job { number: context.number, text: text.clone() });
    assert_eq!(job.text.len() + usize::from(job.number), 4);
    assert_eq!(Supervisor.spawn(|context| context.number += 1), ());
    assert_eq!(Supervisor.spawn(|context| { context.number += 1; context.number }), 2);
    assert_eq!(Supervisor.spawn(move |_| text), "abc");
    let coerced = Supervisor.spawn(|context| -> Box<dyn std::fmt::Debug> {
        if context.number > 1 {
            return Box::new("many");
        }
        Box::new("one")
    });
    assert_eq!(format!("{coerced:?}"), "\"one\"");
    assert_eq!(Supervisor.spawn(|context| -> u8 { context.number }), 1);
    let parsed: Result<u8, std::num::ParseIntError> = Supervisor.spawn(|context| {
        let two: u8 = "2".parse()?;
        Ok(context.number + two)
    });
    assert_eq!(parsed, Ok(3));
    let mut count = 0;
    Repeats.spawn(|| count += 1);
    assert_eq!(count, 2);
    assert_eq!(Repeats.spawn(|| one()), (1, 1));
    assert_eq!(Repeats.spawn(move || count), (2, 2));
    assert_eq!(Shares.spawn(|| "three".len().try_into().unwrap()), 10);
    assert_eq!(Async.spawn(async move |value| value + count), 7);
    assert_eq!(Pairs.spawn(1, None), 2);
}

fn one() -> u8 {
    1
}

#[rustfmt::skip]
#[owned_task(name = "rayon")]
fn on_rayon() -> usize {
    let text = String::from("abc");
    let (a, b) = rayon::join(|| text.len(), || text.len());
    rayon::scope(|scope| {
        scope.spawn(|inner| {
            inner.spawn(|_| {
                let _ = text.len();
            });
        });
    });
    rayon::spawn_broadcast(|_| {});
    rayon::spawn(one_by_one);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let each = pool.broadcast(|context| context.index() + text.len());
    let installed = pool.install(|| text.len());
    pool.scope(|scope| { scope.spawn(move |_| {}) });
    a + b + each[0] + installed
}

fn one_by_one() {}

mod upgrades {
    use axum::extract::ws::{WebSocket, WebSocketUpgrade};
    use axum::response::Response;

    #[heirloom::owned_task(name = "chat")]
    pub fn with_closure(upgrade: WebSocketUpgrade) -> Response {
        let name = String::from("ada");
        upgrade.on_upgrade(move |socket| chat(socket, name))
    }

    #[heirloom::owned_task(name = "chat")]
    pub fn with_block(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(|mut socket| async move {
            tokio::spawn(async move { drop(socket.recv().await) });
        })
    }

    #[heirloom::owned_task(name = "chat")]
    pub fn with_function(upgrade: WebSocketUpgrade) -> Response {
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
        assert_eq!(actor(&"a", 1).await, Ok((&"a", 2)));
        let mut prices = Prices(1);
        assert_eq!(prices.raise().await, 2);
        assert_eq!(Runs::run(&prices).await, 3);
        assert_eq!(prices.boxed().await, 3);
        assert_eq!(prices.by_method().await, 2);
        assert_eq!(prices.one().await + prices.other().await, 4);
        assert_eq!(prices.bare().await, 2);
        assert_eq!(instrumented_below("ab").await, 2);
        assert_eq!(instrumented_above("ab").await, 2);
        let mut sum = 0;
        for handle in start(Box::pin(async { 2 })) {
            sum += handle.await.unwrap();
        }
        assert_eq!(sum, 1 + 2 + 3 + 1 + 5 + 6 + 7);
        let set = start_set().join_all().await;
        assert_eq!(set.into_iter().sum::<u8>(), 3);
        assert_eq!(generic(async { 1 }).await.unwrap(), 1);
    });
    assert_eq!(threads(), 4);
    closures();
    assert_eq!(on_rayon(), 12);
    let _ = (
        upgrades::with_closure,
        upgrades::with_block,
        upgrades::with_function,
    );
}
