//! Who may come in, and as whom: the owner of a request, or why it is refused.

use super::header::Sources;
use super::refusal::Refused;
use crate::error::{Place, Subject};
use crate::owner::Owner;
use http::header::HeaderMap;
use http::{Extensions, Request};

/// What a server's layer was told.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) sources: Sources,
    #[cfg_attr(
        not(feature = "axum"),
        allow(dead_code, reason = "nobody else tells the peer")
    )]
    pub(super) remote: bool,
    /// Whose all requests are that bring no token.
    pub(super) instance: Option<Owner>,
    pub(super) made_at: Place,
}

impl Door {
    /// Whose a request is.
    #[inline]
    pub(super) fn owner_of<B>(&self, request: &Request<B>) -> Result<Option<Owner>, Refused> {
        match self.named(request.headers())? {
            Some(owner) => {
                self.check_peer(request.extensions())?;
                Ok(Some(owner))
            }
            None => match &self.instance {
                // A server may outlive the test that started it.
                Some(owner) => {
                    let running = owner.require_running(Subject::Token, None);
                    running.map(|()| Some(owner.clone())).map_err(Refused::from)
                }
                None => Ok(None),
            },
        }
    }

    pub(super) fn named(&self, headers: &HeaderMap) -> Result<Option<Owner>, Refused> {
        match self.sources.token_in(headers)? {
            Some(token) => Refused::or_owner(&token).map(Some),
            None => Ok(None),
        }
    }

    /// Refuses what comes from another machine.
    #[cfg(feature = "axum")]
    fn check_peer(&self, extensions: &Extensions) -> Result<(), Refused> {
        use axum::extract::ConnectInfo;
        use std::net::SocketAddr;
        match extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) if !self.remote && !peer.ip().to_canonical().is_loopback() => {
                Err(Refused::remote(*peer))
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "axum"))]
    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the peer is told by axum only"
    )]
    fn check_peer(&self, _: &Extensions) -> Result<(), Refused> {
        Ok(())
    }
}
