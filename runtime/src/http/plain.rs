//! The layers in production: not there.

use http::header::HeaderName;
use tower_layer::Layer;

/// Runs requests as the owners whose tokens they bring, in tests. Without the `sandbox` feature it is the identity.
#[derive(Clone, Debug, Default)]
pub struct SandboxLayer(());

impl SandboxLayer {
    /// The identity.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    /// The identity.
    #[must_use]
    pub fn owner_of_this_instance() -> Self {
        Self(())
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn header(self, _name: HeaderName) -> Self {
        self
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn baggage(self) -> Self {
        self
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn allow_remote(self) -> Self {
        self
    }
}

impl<S> Layer<S> for SandboxLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// Puts the current owner's token on what is sent, in tests. Without the `sandbox` feature it is the identity.
#[derive(Clone, Debug, Default)]
pub struct TokenLayer(());

impl TokenLayer {
    /// The identity.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn header(self, _name: HeaderName) -> Self {
        self
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn baggage(self) -> Self {
        self
    }

    /// Tokens are for tests.
    #[must_use]
    pub fn allow_remote(self) -> Self {
        self
    }
}

impl<S> Layer<S> for TokenLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}
