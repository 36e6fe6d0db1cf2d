//! The concurrent edges of ownership under a model checker: [loom] runs each model in every order that its threads can
//! take.
//!
//! The code is heirloom's own, read from where it stands. Only its primitives are exchanged: it takes them all from
//! `owner/sync.rs`, and here that is another module.
//!
//! [loom]: https://docs.rs/loom

// The models run from `tests/`. As a test of its own this would bring in the registry's unit tests, which have their place.
#![cfg(not(test))]
#![allow(
    clippy::missing_panics_doc,
    reason = "a model panics when it does not hold, that is all it is for"
)]

pub mod allowances;
pub mod gates;
pub mod sessions;

/// The rooms of `heirloom`'s `owner` that many threads use.
#[path = "../../../runtime/src/owner"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the rest of heirloom, which uses and exports it, is not here"
)]
mod owner {
    pub(crate) mod directory;
    pub(crate) mod gate;
    pub(crate) mod registry;

    /// In place of `sync.rs`.
    mod sync {
        pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
        pub(super) use loom::sync::{Mutex, RwLock};
        pub(super) use std::sync::PoisonError;
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct OwnerId(pub(crate) u8);

    /// Nobody owns anything.
    pub(crate) fn directory() -> directory::Directory<u8, OwnerId> {
        directory::Directory {
            registry: sync::RwLock::new(registry::Registry::new()),
            allowances: sync::AtomicUsize::new(0),
        }
    }
}

use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};
use owner::OwnerId;
use owner::registry::{Registry, RepoId, Target, Use};
use std::borrow::Cow;

/// As in the process, but what is kept for an owner is its id.
type Directory = owner::directory::Directory<u8, OwnerId>;

const A: OwnerId = OwnerId(1);
const B: OwnerId = OwnerId(2);

const MAIN: RepoId = RepoId {
    name: "default",
    database: "sqlite",
};

const ACTOR: &str = "pricing";
const TASK: u8 = 7;

/// Two owners run. Made anew for every order: loom's primitives live in one.
fn two() -> Arc<Directory> {
    let directory = owner::directory();
    directory.write(|registry| {
        registry.start(A, A);
        registry.start(B, B);
    });
    Arc::new(directory)
}

fn actor() -> Target<u8> {
    Target::Actor(Cow::Borrowed(ACTOR))
}

/// A thread that changes the registry once.
fn writes<R: 'static>(
    directory: &Arc<Directory>,
    change: impl FnOnce(&mut Registry<u8, OwnerId>) -> R + 'static,
) -> JoinHandle<R> {
    let directory = Arc::clone(directory);
    spawn(move || directory.write(change))
}

fn opens(directory: &Directory, id: OwnerId) {
    let used = directory.write(|registry| registry.use_of(id, MAIN));
    assert!(matches!(used, Use::Opens(_)));
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread
        .join()
        .expect("the model says by itself what is wrong")
}
