//! What a request costs more when its server has the layer, without a token and with one, beside another layer that people
//! have.
//!
//! The service answers at once with eight bytes, so what is left is the layers': reading headers, finding the owner, keeping
//! count, the response's body. Each ends when the body has been read.
//!
//! Run with: `cargo bench -p heirloom-benches --bench http`

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use heirloom::http::SandboxLayer;
use heirloom::{Sandbox, Test};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_http::trace::TraceLayer;

/// What a browser says of itself.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// Answers at once.
#[derive(Clone, Copy)]
struct Trivial;

impl Service<Request<Full<Bytes>>> for Trivial {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Full::new(Bytes::from_static(
            b"welcome!",
        )))))
    }
}

fn request(agent: &str) -> Request<Full<Bytes>> {
    let request = Request::get("/entries?page=2").header("user-agent", agent);
    let request = request.header("host", "localhost").header("accept", "*/*");
    request.body(Full::default()).expect("a request")
}

async fn asks<S, B>(mut service: S, agent: &str, times: u64) -> Duration
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: BodyExt<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let requests: Vec<_> = (0..times).map(|_| request(agent)).collect();
    let started = Instant::now();
    for request in requests {
        let service = service.ready().await.expect("always ready");
        let response = service.call(request).await.expect("an answer");
        let body = response.into_body().collect().await.expect("a body");
        black_box(body.to_bytes());
    }
    started.elapsed()
}

/// Times something inside a test, so that all have the same subscriber, runtime and owner.
fn in_a_test<Fut>(work: impl FnOnce(Sandbox) -> Fut) -> Duration
where
    Fut: Future<Output = Duration>,
{
    let mut took = Duration::ZERO;
    let test = Test::here("bench").no_migrations();
    drop(test.run(|sandbox: Sandbox| async {
        took = work(sandbox).await;
        Ok(())
    }));
    took
}

fn request_cost(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    group.bench_function("bare", |bencher| {
        bencher.iter_custom(|times| in_a_test(|_| asks(Trivial, BROWSER, times)));
    });
    group.bench_function("trace_layer", |bencher| {
        let service = TraceLayer::new_for_http().layer(Trivial);
        bencher.iter_custom(|times| in_a_test(|_| asks(service.clone(), BROWSER, times)));
    });
    let layered = SandboxLayer::new().layer(Trivial);
    group.bench_function("sandbox_layer/no_token", |bencher| {
        bencher.iter_custom(|times| in_a_test(|_| asks(layered.clone(), BROWSER, times)));
    });
    group.bench_function("sandbox_layer/token", |bencher| {
        bencher.iter_custom(|times| {
            in_a_test(|sandbox| {
                let agent = sandbox.owner().user_agent(BROWSER);
                let service = layered.clone();
                async move { asks(service, &agent, times).await }
            })
        });
    });
    group.finish();
}

/// As a server that no test owns: no span is current, so the request gets one that carries its owner.
fn request_from_outside(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request_from_outside");
    group.bench_function("sandbox_layer/token", |bencher| {
        bencher.iter_custom(|times| {
            in_a_test(|sandbox| {
                let agent = sandbox.owner().user_agent(BROWSER);
                let service = SandboxLayer::new().layer(Trivial);
                let elsewhere = std::thread::spawn(move || {
                    let runtime = Builder::new_current_thread().build();
                    runtime
                        .expect("a runtime")
                        .block_on(asks(service, &agent, times))
                });
                let took = elsewhere.join().expect("no panic");
                std::future::ready(took)
            })
        });
    });
    group.finish();
}

criterion_group!(benches, request_cost, request_from_outside);
criterion_main!(benches);
