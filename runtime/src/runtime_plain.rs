//! In production runtimes stay as they are. Only in builds with `--cfg tokio_unstable`.

/// In tests makes every task that is spawned on the runtime inherit the owner of whoever spawns it; without the
/// `sandbox` feature it does nothing. `B` is `tokio::runtime::Builder`.
pub fn inherit<B>(builder: &mut B) -> &mut B {
    builder
}
