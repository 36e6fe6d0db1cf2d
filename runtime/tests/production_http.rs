//! What an application gets of the HTTP layers, without the `sandbox` feature: its own service, untouched.

#![cfg(all(not(feature = "sandbox"), feature = "tower"))]

use heirloom::http::{SandboxLayer, TokenLayer};
use http::header::USER_AGENT;
use tower_layer::Layer;

#[derive(Debug, PartialEq)]
struct Service(u32);

/// The layer's service is the service itself: that is what the types say.
fn untouched<L: Layer<Service, Service = Service>>(layer: &L) {
    assert_eq!(size_of::<L>(), 0);
    assert_eq!(layer.layer(Service(7)), Service(7));
}

#[test]
fn the_layers_are_the_identity_whatever_they_are_told() {
    untouched(&SandboxLayer::new());
    untouched(&SandboxLayer::owner_of_this_instance());
    untouched(
        &SandboxLayer::default()
            .header(USER_AGENT)
            .baggage()
            .allow_remote(),
    );
    untouched(&TokenLayer::new());
    untouched(
        &TokenLayer::default()
            .header(USER_AGENT)
            .baggage()
            .allow_remote(),
    );
}
