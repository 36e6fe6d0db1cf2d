//! Runtimes on which every spawn inherits, also in code that nobody annotated and in dependencies. Only in builds with
//! `--cfg tokio_unstable`.

use crate::context::births::{self, Family, ended};
use crate::context::inherited;
use crate::error::Place;
use crate::owner::Owner;
use tokio::runtime::Builder;
use tokio::task::Id;

/// Makes every task that is spawned on the runtime inherit the owner of whoever spawns it.
///
/// That is for a runtime which several tests share, such as one in a `static`, and for the spawns that no attribute can
/// reach: those inside of dependencies, in code that is not annotated, and through a `Handle` from another thread. A
/// runtime that `#[sandboxed]` makes needs none of it, because its threads are its test's.
///
/// What names its owner inside of the task is closer, and so is an allowance; see [the order](crate#who-is-the-owner-right-now).
/// `#[unowned]` work stays nobody's, and so does what it spawns. What is spawned by nobody inherits nothing.
///
/// ```
/// # use heirloom::{Owner, Sandbox, Test};
/// use std::sync::LazyLock;
/// use tokio::runtime::{Builder, Runtime};
///
/// static SHARED: LazyLock<Runtime> = LazyLock::new(|| {
///     let mut builder = Builder::new_multi_thread();
///     heirloom::runtime::inherit(builder.enable_all());
///     builder.build().expect("a runtime")
/// });
///
/// fn whose() -> tokio::task::JoinHandle<Option<Owner>> {
///     SHARED.spawn(async { heirloom::current() })
/// }
/// # Test::here("example").run(|sandbox: Sandbox| async move {
///
/// // In a test:
/// assert_eq!(whose().await?.as_ref(), Some(sandbox.owner()));
/// # Ok(()) });
/// ```
///
/// # What it does not reach
///
/// tokio tells of no spawn by `spawn_blocking`, and none on a `LocalSet`: there an attribute or
/// [`owned`](crate::owned()) is needed as elsewhere.
///
/// # Other hooks
///
/// It takes the builder's `on_task_spawn` and `on_task_terminate`, of which a builder has one each: those that were set
/// before are replaced, and whoever sets them afterwards replaces these. The hooks for polls stay free.
///
/// # Where it exists
///
/// Only in builds with `RUSTFLAGS="--cfg tokio_unstable"`, which is how tokio gives its hooks. Without the `sandbox`
/// feature it exists as well, and does nothing.
pub fn inherit(builder: &mut Builder) -> &mut Builder {
    let family = Family::new();
    builder
        .on_task_spawn(move |task| family.spawned(task.id(), task.spawned_at().into(), inherited))
        .on_task_terminate(|task| ended(task.id()))
}

/// The owner's heirs that have not ended, on all runtimes that were built with [`inherit`], and where each was spawned.
/// In no order. A task that has just ended may still be there when its `JoinHandle` is ready.
#[must_use]
pub fn tasks_of(owner: &Owner) -> Vec<(Id, Place)> {
    births::tasks_of(owner)
}
