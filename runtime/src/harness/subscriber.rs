//! The global tracing subscriber: ours if there is none, and a word about it if there is one without the layer.

use crate::context::{OwnerLayer, layer_is_installed};
use std::sync::Once;
use tracing::Metadata;
use tracing::subscriber::Interest;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

const ADVICE: &str = "\
heirloom: a tracing subscriber is set that has no heirloom layer, so spans carry no owners: what reaches the database \
through a span alone (actor messages, instrumented futures on other runtimes) will find no owner. Owned tasks and the \
test's own runtime still do.
  help: add it where the subscriber is made: `tracing_subscriber::registry().with(heirloom::layer()).with(..).init()`";

/// Sets a global subscriber if none is set. Says once if the one in force has no layer.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    static SAID: Once = Once::new();
    // If somebody has set one already, theirs stays in force and is looked at below.
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(ours()).ok();
    });
    if !layer_is_installed() {
        SAID.call_once(|| eprintln!("{ADVICE}"));
    }
}

/// What is written is filtered, spans are not: a span that is filtered out carries no owner.
fn ours() -> impl tracing::Subscriber + Send + Sync {
    let writer = fmt::layer().with_test_writer();
    tracing_subscriber::registry()
        .with(OwnerLayer::unfiltered())
        .with(Events(wanted()))
        .with(writer)
}

/// Lets every span pass and of the events those that are to be written. A filter on the writer alone would do the same,
/// and make every poll of an owned future 30 ns dearer.
struct Events(Targets);

impl Events {
    fn pass(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() || self.0.would_enable(metadata.target(), metadata.level())
    }
}

impl<S: tracing::Subscriber> Layer<S> for Events {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.pass(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.pass(metadata)
    }
}

/// `RUST_LOG`, read as `target=level` pairs; errors only when it is not set. `Targets` and not `EnvFilter`, which would
/// bring a regular expression engine into every test build.
fn wanted() -> Targets {
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
