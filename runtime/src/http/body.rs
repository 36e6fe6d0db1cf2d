//! The body of a response: polled and dropped as its request's owner.

use crate::context::Carrier;
use crate::owner::Owner;
use crate::task::Tracked;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The body of a response that went through a [`SandboxLayer`](super::SandboxLayer): that of the handler, or a refusal.
    ///
    /// While its reader is slow, or nothing is to be sent, it waits, so it keeps no test from settling. At its owner's end it
    /// is dropped, and its connection is closed.
    pub struct SandboxBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindPinned]
    enum Kind<B> {
        Straight { #[pin] body: B },
        Owned { #[pin] body: OwnedBody<B> },
        Refusal { text: Option<String> },
    }
}

pin_project! {
    struct OwnedBody<B> {
        // `None` once it is at its end, or while it is being dropped.
        #[pin]
        body: Option<B>,
        carrier: Carrier,
        // Dropped last: until then the work is not over.
        tracked: Tracked,
    }

    impl<B> PinnedDrop for OwnedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.body.is_some() {
                let _entered = this.carrier.enter();
                this.body.set(None);
            }
        }
    }
}

impl<B> SandboxBody<B> {
    pub(super) fn straight(body: B) -> Self {
        let kind = Kind::Straight { body };
        Self { kind }
    }

    pub(super) fn refusal(text: String) -> Self {
        let kind = Kind::Refusal { text: Some(text) };
        Self { kind }
    }

    /// Goes on with what its request's handler was.
    pub(super) fn owned(body: B, carrier: Carrier, mut tracked: Tracked) -> Self {
        tracked.streams();
        // Nobody may ever read it.
        tracked.rests();
        let body = OwnedBody {
            body: Some(body),
            carrier,
            tracked,
        };
        let kind = Kind::Owned { body };
        Self { kind }
    }
}

impl<B> Body for SandboxBody<B>
where
    B: Body,
    B::Data: From<String>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindPinned::Straight { body } => body.poll_frame(cx),
            KindPinned::Owned { body } => body.poll_frame(cx),
            KindPinned::Refusal { text } => {
                let data = text.take().map(|text| Frame::data(text.into()));
                Poll::Ready(data.map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Straight { body } => body.is_end_stream(),
            Kind::Owned { body } => body.body.as_ref().is_none_or(Body::is_end_stream),
            Kind::Refusal { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Straight { body } => body.size_hint(),
            Kind::Owned { body } => {
                let none = || SizeHint::with_exact(0);
                body.body.as_ref().map_or_else(none, Body::size_hint)
            }
            Kind::Refusal { text } => {
                let length = text.as_ref().map_or(0, String::len);
                SizeHint::with_exact(length.try_into().unwrap_or(u64::MAX))
            }
        }
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B: Body> OwnedBody<B> {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B> {
        let mut this = self.as_mut().project();
        if this.body.is_none() {
            return Poll::Ready(None);
        }
        // One whose size is known is there already, as a rule: nothing of its owner's is needed to send it.
        let is_ended = this.tracked.is_aborted();
        let is_there = |body: &B| body.size_hint().exact().is_some();
        if is_ended
            && !this
                .body
                .as_ref()
                .as_pin_ref()
                .is_some_and(|body| is_there(&body))
        {
            return self.breaks_off();
        }
        let entered = this.carrier.enter();
        let mut body = this.body.as_mut();
        let polled = this.tracked.poll(this.carrier, cx, |cx| {
            let Some(running) = body.as_mut().as_pin_mut() else {
                return Poll::Ready(None);
            };
            let polled = running.poll_frame(cx);
            if matches!(polled, Poll::Ready(None)) {
                body.set(None);
            }
            polled
        });
        drop(entered);
        match &polled {
            // Also where the end came before it was known whom to wake at it.
            Poll::Pending if this.tracked.is_aborted() => return self.breaks_off(),
            Poll::Pending => {}
            Poll::Ready(Some(_)) => this.tracked.rests(),
            Poll::Ready(None) => *this.tracked = Tracked::default(),
        }
        polled
    }
}

impl<B> OwnedBody<B> {
    /// Drops it, as its owner has ended.
    fn breaks_off<T>(self: Pin<&mut Self>) -> Poll<Option<T>> {
        let mut this = self.project();
        let reader = crate::context::current();
        let entered = this.carrier.enter();
        this.body.set(None);
        drop(entered);
        let tracked = std::mem::take(this.tracked);
        if cfg!(panic = "unwind") {
            // What was sent so far must not look like all of it.
            unwinds(tracked, this.carrier, reader.is_some());
        }
        Poll::Ready(None)
    }
}

/// Its owner has ended. The task of a server's connection ends in silence; a test that reads in process is to know why it fails.
fn unwinds(mut tracked: Tracked, carrier: &Carrier, is_read_by_an_owner: bool) -> ! {
    if is_read_by_an_owner {
        drop(tracked);
        let owner = carrier.owner().map_or("", Owner::name);
        panic!(
            "the body of a response broke off: its owner `{owner}` has ended\n\n  help: read it to its end, or drop it, before `{owner}` \
             ends"
        );
    }
    tracked.abort()
}

impl<B> fmt::Debug for SandboxBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Straight { .. } => "SandboxBody(nobody's)",
            Kind::Owned { .. } => "SandboxBody(owned)",
            Kind::Refusal { .. } => "SandboxBody(refusal)",
        })
    }
}
