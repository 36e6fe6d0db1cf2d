//! A request that names an owner and cannot have it: what its client is told.

use super::header::Unreadable;
use crate::error::{Ended, Error};
use crate::owner::{Owner, Token};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use std::fmt;
use std::net::SocketAddr;

/// Why a request that names an owner is refused. Displayed it says what is wrong, and what to do; never the token.
#[derive(Debug)]
pub struct Refused(Why);

#[derive(Debug)]
enum Why {
    Unreadable(Unreadable),
    Remote(SocketAddr),
    Unknown,
    Ended(Box<Ended>),
}

impl Refused {
    /// What to answer: 400 for a token that cannot be read and for two different ones, 403 for one that is nobody's or comes
    /// from another machine, 410 for that of a test that has ended.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.0 {
            Why::Unreadable(_) => StatusCode::BAD_REQUEST,
            Why::Remote(_) | Why::Unknown => StatusCode::FORBIDDEN,
            Why::Ended(_) => StatusCode::GONE,
        }
    }

    /// The answer: plain text, not to be kept by any cache.
    #[must_use]
    pub fn response<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    #[cfg_attr(
        not(feature = "axum"),
        allow(dead_code, reason = "nobody else tells the peer")
    )]
    pub(super) fn remote(peer: SocketAddr) -> Self {
        Self(Why::Remote(peer))
    }

    /// The running owner of a token.
    #[track_caller]
    pub(super) fn or_owner(token: &Token) -> Result<Owner, Self> {
        Owner::by_token(token).map_err(Self::from)
    }
}

impl From<Unreadable> for Refused {
    fn from(unreadable: Unreadable) -> Self {
        Self(Why::Unreadable(unreadable))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::OwnerEnded { ended, .. } => Why::Ended(ended),
            _ => Why::Unknown,
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("heirloom refuses this request: ")?;
        match &self.0 {
            Why::Unreadable(unreadable) => write!(f, "{unreadable}"),
            Why::Remote(peer) => write!(
                f,
                "it brings a token from another machine, {peer}\n\n  help: a token is good on this machine only; where the network \
                 between is yours, `SandboxLayer::new().allow_remote()`"
            ),
            Why::Unknown => f.write_str(
                "its token is nobody's in this process\n\n  help: a token is good in the process that made it, while its test or \
                 session runs: take it from the running one, `owner.token()`",
            ),
            Why::Ended(ended) => write!(
                f,
                "the {} `{}`, started at {}, has ended, {:.1?} ago\n\n  help: end what sends requests (browsers, pages that poll, \
                 clients) before the {0} ends, or give each a session of its own",
                ended.what(),
                ended.owner,
                ended.started_at,
                ended.ago
            ),
        }
    }
}

impl std::error::Error for Refused {}
