//! How a session's requests carry its token: where it is read, and how a client is told to write it.

use crate::error::Error;
use crate::owner::{Owner, Token};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};

/// Where tokens are.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Whose whole value it is; otherwise it is a word of the user agent.
    pub(super) header: Option<HeaderName>,
}

impl Tokens {
    /// The owner that a request names; `None` without a token. The error is what to answer.
    pub(super) fn owner_in(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Owner>, (StatusCode, String)> {
        let name = self.name();
        let Some(value) = headers.get(&name) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        let token = match &self.header {
            Some(_) => Some(text),
            None => text
                .split(' ')
                .find_map(|word| word.strip_prefix("heirloom/")),
        };
        let Some(token) = token else {
            return Ok(None);
        };
        let token: Token = token.parse().map_err(|error| {
            let error: crate::owner::NotAToken = error;
            (StatusCode::BAD_REQUEST, error.to_string())
        })?;
        Owner::by_token(&token).map(Some).map_err(|error| {
            let status = match error {
                Error::OwnerEnded { .. } => StatusCode::GONE,
                _ => StatusCode::FORBIDDEN,
            };
            (status, error.to_string())
        })
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
    format!("heirloom/{}", owner.token())
}
