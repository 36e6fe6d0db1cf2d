//! The layer's service: a request passes straight through, is run as its owner, or is refused.

use super::body::SandboxBody;
use super::door::Door;
use super::refusal::Refused;
use super::request::{Running, Shield};
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// What [`SandboxLayer`](super::SandboxLayer) makes.
#[derive(Clone, Debug)]
pub struct SandboxService<S> {
    inner: S,
    door: Arc<Door>,
}

impl<S> SandboxService<S> {
    pub(super) fn new(inner: S, door: Arc<Door>) -> Self {
        Self { inner, door }
    }
}

impl<S, Sent, B> Service<Request<Sent>> for SandboxService<S>
where
    S: Service<Request<Sent>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<SandboxBody<B>>;
    type Error = S::Error;
    type Future = SandboxFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        let way = match self.door.owner_of(&request) {
            Ok(None) => Way::Straight {
                future: self.inner.call(request),
            },
            Ok(Some(owner)) => Way::Owned {
                shield: Running::call(&mut self.inner, request, &owner, self.door.made_at).into(),
            },
            Err(refused) => {
                // Rare, and a mistake in a test whenever it happens. The text has no token.
                tracing::warn!(target: "heirloom", "{refused}");
                Way::Refused {
                    refused: Some(refused),
                }
            }
        };
        SandboxFuture { way }
    }
}

pin_project! {
    /// The response that is being made. Dropped, because its client is gone, it lets an owner's handler finish in a task of
    /// its own.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct SandboxFuture<F>
    where
        F: Future,
        F: Send,
        F: 'static,
    {
        #[pin]
        way: Way<F>,
    }
}

pin_project! {
    #[project = WayPinned]
    enum Way<F>
    where
        F: Future,
        F: Send,
        F: 'static,
    {
        Straight { #[pin] future: F },
        Owned { shield: Shield<F> },
        Refused { refused: Option<Refused> },
    }
}

impl<F, B, E> Future for SandboxFuture<F>
where
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
{
    type Output = Result<Response<SandboxBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayPinned::Straight { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(SandboxBody::straight)))
            }
            WayPinned::Owned { shield } => shield.poll(cx),
            WayPinned::Refused { refused } => {
                let Some(refused) = refused.take() else {
                    panic!("the future of a response was polled again after it was done");
                };
                Poll::Ready(Ok(refused.response::<String>().map(SandboxBody::refusal)))
            }
        }
    }
}

impl<F: Future + Send + 'static> fmt::Debug for SandboxFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.way {
            Way::Straight { .. } => "SandboxFuture(nobody's)",
            Way::Owned { .. } => "SandboxFuture(owned)",
            Way::Refused { .. } => "SandboxFuture(refused)",
        })
    }
}
