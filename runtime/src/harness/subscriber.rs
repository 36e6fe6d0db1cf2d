//! The global tracing subscriber: ours if there is none, and a word about it if there is one without the layer.

use crate::context::{layer, layer_is_installed};
use std::sync::Once;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

const ADVICE: &str = "\
heirloom: a tracing subscriber is set that has no heirloom layer, so spans carry no owners: what reaches the database \
through a span alone (actor messages, instrumented futures on other runtimes) will find no owner. Owned tasks and the \
test's own runtime still do.
  help: add it where the subscriber is made: `tracing_subscriber::registry().with(heirloom::layer()).with(..).init()`";

/// Sets a global subscriber if none is set. Says once if the one in force has no layer.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    static SAID: Once = Once::new();
    INSTALLED.call_once(|| {
        if !tracing::dispatcher::has_been_set() {
            // Somebody may have been faster; then theirs is in force and is looked at below.
            tracing::subscriber::set_global_default(ours()).ok();
        }
    });
    if !layer_is_installed() {
        SAID.call_once(|| eprintln!("{ADVICE}"));
    }
}

/// The filter is on the writer alone: a span that is filtered out carries no owner.
fn ours() -> impl tracing::Subscriber + Send + Sync {
    let writer = fmt::layer().with_test_writer().with_filter(filter());
    tracing_subscriber::registry().with(layer()).with(writer)
}

/// `RUST_LOG`, read as `target=level` pairs; errors only when it is not set. `Targets` and not `EnvFilter`, which would
/// bring a regular expression engine into every test build.
fn filter() -> Targets {
    let errors = Targets::new().with_default(LevelFilter::ERROR);
    let Ok(wanted) = std::env::var("RUST_LOG") else {
        return errors;
    };
    wanted.parse().unwrap_or_else(|error| {
        eprintln!(
            "heirloom: RUST_LOG=`{wanted}` is not understood: {error}\n  help: write `level` or `target=level` pairs, such as `info,sqlx=warn`"
        );
        errors
    })
}
