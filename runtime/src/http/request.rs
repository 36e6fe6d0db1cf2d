//! A request that is handled as its owner, shielded from its client.

use super::body::SandboxBody;
use super::refusal::Refused;
use crate::context::Carrier;
use crate::error::{Place, Subject};
use crate::owner::Owner;
use crate::task::{Line, Tracked};
use http::{Method, Request, Response, Uri};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tower_service::Service;

/// A handler's future, which is polled and dropped as its owner.
pub(super) struct Running<F> {
    // `None` once it is done. In a box, as it moves into a task of its own when its client goes.
    future: Option<Pin<Box<F>>>,
    carrier: Carrier,
    // Dropped last: until then the work is not over.
    tracked: Tracked,
}

impl<F> Running<F> {
    /// Calls the handler.
    pub(super) fn call<S, Sent>(
        handler: &mut S,
        request: Request<Sent>,
        owner: &Owner,
        at: Place,
    ) -> Self
    where
        S: Service<Request<Sent>, Future = F>,
    {
        let carrier = Carrier::from_outside(owner);
        let mut tracked = Tracked::request::<F>(&carrier, at, line(&request));
        let entered = carrier.enter();
        let future = tracked.run(&carrier, || handler.call(request));
        drop(entered);
        Self {
            future: Some(Box::pin(future)),
            carrier,
            tracked,
        }
    }
}

impl<F: Future> Running<F> {
    /// `None` when its owner has ended, and it was dropped for that.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let _entered = self.carrier.enter();
        if self.tracked.is_aborted() {
            self.future = None;
            return Poll::Ready(None);
        }
        let future = &mut self.future;
        let polled = self.tracked.poll(&self.carrier, cx, |cx| {
            let Some(running) = future else {
                panic!("the future of a response was polled again after it was done");
            };
            let polled = running.as_mut().poll(cx);
            if polled.is_ready() {
                // What it holds is given back before anybody sees the response.
                *future = None;
            }
            polled
        });
        // The end may have come before it was known whom to wake at it.
        if polled.is_pending() && self.tracked.is_aborted() {
            self.future = None;
            return Poll::Ready(None);
        }
        polled.map(Some)
    }
}

impl<F> Drop for Running<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            let _entered = self.carrier.enter();
            drop(future);
        }
    }
}

/// Lets a handler finish whose client goes away.
pub(super) struct Shield<F: Future + Send + 'static> {
    running: Option<Running<F>>,
    /// Where it is finished. `None` where it is polled by no tokio runtime: there it is dropped with its client.
    runtime: Option<Handle>,
    /// It is being polled; seen afterwards, it has panicked.
    polled: bool,
}

impl<F: Future + Send + 'static> From<Running<F>> for Shield<F> {
    fn from(running: Running<F>) -> Self {
        Self {
            running: Some(running),
            runtime: Handle::try_current().ok(),
            polled: false,
        }
    }
}

impl<F, B, E> Shield<F>
where
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
{
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<SandboxBody<B>>, E>> {
        let Some(running) = &mut self.running else {
            panic!("the future of a response was polled again after it was done");
        };
        self.polled = true;
        let polled = running.poll(cx);
        self.polled = false;
        let handled = ready!(polled);
        let Some(running) = self.running.take() else {
            unreachable!("it was polled just now: heirloom's bug");
        };
        let refusal = |refused: &Refused| refused.response::<String>().map(SandboxBody::refusal);
        Poll::Ready(Ok(match (handled.transpose()?, running.ended()) {
            // It failed because its owner has ended, in all likelihood: whoever is a little later is told that.
            (Some(response), Some(ended)) if response.status().is_server_error() => {
                let _entered = running.carrier.enter();
                drop(response);
                refusal(&ended)
            }
            (Some(response), _) => running.responds(response),
            (None, Some(ended)) => refusal(&ended),
            (None, None) => unreachable!("only what an ended owner has is ended: heirloom's bug"),
        }))
    }
}

impl<F> Running<F> {
    /// The head of the response is there; its body goes on as the owner.
    fn responds<B>(mut self, response: Response<B>) -> Response<SandboxBody<B>> {
        let carrier = self.carrier.clone();
        let tracked = std::mem::take(&mut self.tracked);
        response.map(|body| SandboxBody::owned(body, carrier, tracked))
    }

    /// Whether its owner has ended while it was handled.
    fn ended(&self) -> Option<Refused> {
        let running = self.carrier.owner()?.require_running(Subject::Token, None);
        running.err().map(Refused::from)
    }
}

impl<F: Future + Send + 'static> Drop for Shield<F> {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        // Its client waits no longer, so nobody waits for the response.
        running.tracked.lands();
        let ended = self.polled || running.tracked.is_aborted();
        if let Some(runtime) = self.runtime.take().filter(|_| !ended) {
            drop(runtime.spawn(Abandoned(running)));
        }
    }
}

/// A handler without a client.
struct Abandoned<F>(Running<F>);

impl<F: Future> Future for Abandoned<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let response = ready!(self.0.poll(cx));
        // Its body may hold what is the owner's.
        let _entered = self.0.carrier.enter();
        drop(response);
        Poll::Ready(())
    }
}

/// What errors call a request. Its query may hold secrets.
struct MethodAndPath {
    method: Method,
    uri: Uri,
    host: bool,
}

/// Of a request that is handled: `GET /entries`.
fn line<B>(request: &Request<B>) -> Line {
    Box::new(MethodAndPath {
        method: request.method().clone(),
        uri: request.uri().clone(),
        host: false,
    })
}

/// Of a request that is sent: `GET http://localhost:3000/entries`.
pub(super) fn line_with_host<B>(request: &Request<B>) -> Line {
    Box::new(MethodAndPath {
        method: request.method().clone(),
        uri: request.uri().clone(),
        host: true,
    })
}

/// The longest path that is shown, in characters.
const SHOWN: usize = 200;

impl fmt::Display for MethodAndPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if let Some(scheme) = self.uri.scheme_str().filter(|_| self.host) {
            write!(f, "{scheme}://")?;
        }
        // Not the whole authority: that may hold a password.
        if let Some(host) = self.uri.host().filter(|_| self.host) {
            f.write_str(host)?;
            if let Some(port) = self.uri.port_u16() {
                write!(f, ":{port}")?;
            }
        }
        let path = self.uri.path();
        match path.char_indices().nth(SHOWN) {
            None => f.write_str(path),
            Some((end, _)) => write!(f, "{}…", &path[..end]),
        }
    }
}
