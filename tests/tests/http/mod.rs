//! What the tests over HTTP share: servers on a runtime that no test owns, and a client that keeps one connection.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use axum::Router;
use axum::body::Body;
use heirloom::Owner;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Serves an application on a runtime that belongs to no test, as a server does that a suite shares.
pub(crate) fn serve(app: Router) -> SocketAddr {
    serve_on(heirloom_tests::nobodys(), app)
}

/// Serves it on this runtime.
pub(crate) fn serve_on(runtime: &tokio::runtime::Runtime, app: Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    drop(runtime.spawn(async move {
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(TcpListener::from_std(listener).unwrap(), app).await
    }));
    address
}

/// One connection, which is kept.
pub(crate) struct Client(SendRequest<Body>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        drop(tokio::spawn(connection));
        Self(sender)
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    /// The status and the text of an answer.
    pub(crate) async fn ask(&mut self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.send(request).await.unwrap();
        text_of(response).await
    }
}

/// The status and the text of a response.
pub(crate) async fn text_of<B>(response: Response<B>) -> (StatusCode, String)
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A GET that brings an owner's token, if there is one.
pub(crate) fn get(path: &str, owner: Option<&Owner>) -> Request<Body> {
    with(path, &owner.map(Owner::headers).unwrap_or_default())
}

/// A GET with these headers.
pub(crate) fn with(path: &str, headers: &HeaderMap) -> Request<Body> {
    let mut request = Request::get(path)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    request.headers_mut().extend(headers.clone());
    request
}
