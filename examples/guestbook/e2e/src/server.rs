//! The guestbook's server, as in production: one for the whole process, on a runtime of its own. No test has started it.

use crate::slow;
use guestbook::{Guestbook, Live};
use heirloom::http::SandboxLayer;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let (started, server) = channel();
    std::thread::spawn(move || serve(&started));
    server.recv().expect("the server starts")
});

struct Server {
    address: SocketAddr,
    live: Live,
}

/// Where it listens; started if it was not.
#[must_use]
pub fn address() -> SocketAddr {
    SERVER.address
}

/// Whom it tells of new entries.
pub(crate) fn live() -> &'static Live {
    &SERVER.live
}

fn serve(started: &Sender<Server>) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let guestbook = Guestbook::open();
        let live = guestbook.live().clone();
        started
            .send(Server { address, live })
            .expect("somebody waits for it");
        let slow = slow::router().layer(SandboxLayer::new());
        let router = slow::noticing(guestbook.router().merge(slow));
        axum::serve(listener, router).await.expect("it serves");
    });
}
