//! The layer of a server: which owner a request is run as.

use super::door::Door;
use super::header::Sources;
use super::refusal::Refused;
use super::service::SandboxService;
use crate::owner::Owner;
use http::header::{HeaderMap, HeaderName};
use std::panic::Location;
use std::sync::Arc;
use tower_layer::Layer;

/// Runs each request as the owner whose token it brings: the handler, its extractors, the response's body, and everything
/// that descends from them. A request without a token passes through, and is whoever's it would be without the layer.
///
/// The owner is looked up on every request, as connections are shared. The handler is shielded: when its client goes away it
/// is finished all the same, in a task of its own, so that no database call is cut off; at its owner's end it is dropped. A
/// request counts for [`Sandbox::settle`](crate::Sandbox::settle) until its response's head is there. A panic of a handler
/// does to the client what it does without the layer, and its owner hears of it
/// ([`Sandbox::take_panics`](crate::Sandbox::take_panics)).
///
/// Refused are, in plain text: 400 a token that is malformed, two different ones, and a header of more than 8,192 bytes that may
/// hold one; 403 one that no owner of this process has, and one from another machine; 410 one whose test has ended, which is
/// named.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// let app: Router = Router::new()
///     .route("/entries", get(|| async { "none yet" }))
///     .layer(heirloom::http::SandboxLayer::new());
/// # let _ = app; }
/// ```
///
/// Without the `sandbox` feature it is the identity.
#[derive(Clone, Debug)]
pub struct SandboxLayer(Arc<Door>);

impl SandboxLayer {
    /// Takes the token from the user agent: the word `heirloom/<32 hexadecimal digits>`, wherever it stands there, as made by
    /// [`Owner::user_agent`].
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with_instance(None)
    }

    /// Runs every request as the owner that is current where this is called, without any token: for a server that one test
    /// starts for itself, whose connections are spawned where no owner is known. A token that a request brings wins.
    ///
    /// Where nobody owns the calling code it is [`SandboxLayer::new`].
    #[must_use]
    #[track_caller]
    pub fn owner_of_this_instance() -> Self {
        Self::with_instance(crate::context::current())
    }

    #[track_caller]
    fn with_instance(instance: Option<Owner>) -> Self {
        Self(Arc::new(Door {
            sources: Sources::default(),
            remote: false,
            instance,
            made_at: Location::caller().into(),
        }))
    }

    /// Takes the token from this header, whose whole value it is, and not from the user agent.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        Arc::make_mut(&mut self.0).sources.header = name;
        self
    }

    /// Takes it from W3C `baggage` as well: the member `heirloom=<32 hexadecimal digits>`.
    #[must_use]
    pub fn baggage(mut self) -> Self {
        Arc::make_mut(&mut self.0).sources.baggage = true;
        self
    }

    /// Takes tokens from other machines, too. The peer is known with feature `axum` and
    /// `into_make_service_with_connect_info::<SocketAddr>()`; elsewhere nobody is refused for it.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        Arc::make_mut(&mut self.0).remote = true;
        self
    }

    /// The owner that the token in these headers names, wherever this layer takes it from; `None` without a token. Neither the
    /// peer nor [`SandboxLayer::owner_of_this_instance`] counts. There with the `sandbox` feature only.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the status to answer.
    pub fn owner_of(&self, headers: &HeaderMap) -> Result<Option<Owner>, Refused> {
        self.0.named(headers)
    }
}

impl Default for SandboxLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for SandboxLayer {
    type Service = SandboxService<S>;

    fn layer(&self, inner: S) -> SandboxService<S> {
        SandboxService::new(inner, Arc::clone(&self.0))
    }
}

/// The owner that the token in these headers' user agent names; `None` without a token. For servers that are not built on
/// tower: run the handler's future as it, `future.owned_by(&owner)`. In other headers it is found by
/// [`SandboxLayer::owner_of`]. There with the `sandbox` feature only.
///
/// ```
/// # use heirloom::{Sandbox, Test};
/// # Test::here("example").run(|sandbox: Sandbox| async move {
/// let headers = sandbox.owner().headers();
/// assert_eq!(heirloom::http::owner_of(&headers)?.as_ref(), Some(sandbox.owner()));
/// # Ok(()) });
/// ```
///
/// # Errors
///
/// [`Refused`], with the status to answer.
pub fn owner_of(headers: &HeaderMap) -> Result<Option<Owner>, Refused> {
    match Sources::default().token_in(headers)? {
        Some(token) => Refused::or_owner(&token).map(Some),
        None => Ok(None),
    }
}
