//! How a session's requests carry its token: where it is read, and how a client is told to write it.

use crate::http::{Refused, SandboxLayer, owner_of};
use crate::owner::Owner;
use axum::http::{HeaderMap, HeaderName, header};

/// Where tokens are.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Whose whole value it is; otherwise it is a word of the user agent.
    pub(super) header: Option<HeaderName>,
}

impl Tokens {
    /// The owner that a request names, found as the application's own layer finds it.
    pub(super) fn owner_in(&self, headers: &HeaderMap) -> Result<Option<Owner>, Refused> {
        match &self.header {
            Some(header) => SandboxLayer::new().header(header.clone()).owner_of(headers),
            None => owner_of(headers),
        }
    }

    pub(super) fn name(&self) -> HeaderName {
        self.header.clone().unwrap_or(header::USER_AGENT)
    }

    /// What the header of a request is to hold; of the user agent it is the end.
    pub(super) fn value(&self, owner: &Owner) -> String {
        match &self.header {
            Some(_) => owner.token().to_string(),
            None => user_agent(owner),
        }
    }
}

/// The word that names an owner in a user agent.
pub(super) fn user_agent(owner: &Owner) -> String {
    owner.user_agent("")
}
