//! Data: what spawns, which argument is the work, and whether it needs a tokio runtime.

use crate::item::last_name;
use syn::{Expr, Path};

/// How the work has to be wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// A future, or a closure that is called once.
    Once,
    /// A closure that is called many times, before the call returns.
    Many,
    /// A closure that is called many times, whenever.
    ManyStatic,
    /// A callback; the future it returns is the task.
    Callback,
    /// A ready-made object whose type cannot change.
    Object,
}

/// Where a name means a spawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// As a function and as a method.
    Anywhere,
    /// As a function below a path that names rayon, and as a method if some of the work is a closure literal.
    Rayon,
}

/// One name that starts tasks.
struct Spawn {
    name: &'static str,
    place: Where,
    work: Work,
    /// Which arguments are the work, by the number of arguments after the receiver.
    methods: Positions,
    /// The same for free functions.
    functions: Positions,
}

/// Which arguments are the work, by the number of arguments.
type Positions = &'static [(usize, &'static [usize])];

const ONLY: Positions = &[(1, &[0])];
const PAIR: Positions = &[(2, &[0, 1])];
const KEYED: Positions = &[(1, &[0]), (2, &[1])];
const THEN_HANDLE: Positions = &[(2, &[0]), (3, &[1])];

const fn spawn(name: &'static str, work: Work, methods: Positions) -> Spawn {
    Spawn {
        name,
        place: Where::Anywhere,
        work,
        methods,
        functions: ONLY,
    }
}

const fn rayon(name: &'static str, work: Work) -> Spawn {
    Spawn {
        name,
        place: Where::Rayon,
        work,
        methods: ONLY,
        functions: ONLY,
    }
}

const SPAWNS: &[Spawn] = &[
    // tokio, tokio-util (`JoinMap::spawn(key, work)`), std threads, rayon, futures executors, anything else.
    spawn("spawn", Work::Once, KEYED),
    spawn("spawn_blocking", Work::Once, KEYED),
    spawn("spawn_local", Work::Once, KEYED),
    spawn("spawn_on", Work::Once, THEN_HANDLE),
    spawn("spawn_local_on", Work::Once, THEN_HANDLE),
    spawn("spawn_blocking_on", Work::Once, THEN_HANDLE),
    spawn("spawn_pinned", Work::Callback, ONLY),
    spawn("spawn_pinned_by_idx", Work::Callback, &[(2, &[0])]),
    spawn("spawn_scoped", Work::Once, &[(2, &[1])]),
    spawn("spawn_unchecked", Work::Once, ONLY),
    spawn("spawn_fifo", Work::Once, ONLY),
    spawn("spawn_broadcast", Work::ManyStatic, ONLY),
    spawn("spawn_ok", Work::Once, ONLY),
    spawn("spawn_with_handle", Work::Once, ONLY),
    spawn("spawn_local_with_handle", Work::Once, ONLY),
    spawn("spawn_obj", Work::Object, ONLY),
    spawn("spawn_local_obj", Work::Object, ONLY),
    // axum.
    spawn("on_upgrade", Work::Callback, ONLY),
    // rayon.
    rayon("scope", Work::Once),
    rayon("scope_fifo", Work::Once),
    rayon("in_place_scope", Work::Once),
    rayon("in_place_scope_fifo", Work::Once),
    rayon("install", Work::Once),
    rayon("broadcast", Work::Many),
    Spawn {
        name: "join",
        place: Where::Rayon,
        work: Work::Once,
        methods: PAIR,
        functions: PAIR,
    },
    Spawn {
        name: "join_context",
        place: Where::Rayon,
        work: Work::Once,
        methods: PAIR,
        functions: PAIR,
    },
];

/// Modules and crates whose spawns are known; any other `spawn` may be something else entirely.
const KNOWN: &[&str] = &[
    "tokio",
    "task",
    "thread",
    "rayon",
    "tokio_util",
    "async_std",
    "smol",
];

/// Types whose spawns are called as `Type::spawn(&receiver, work)`.
const RECEIVERS: &[&str] = &[
    "Builder",
    "Handle",
    "JoinMap",
    "JoinQueue",
    "JoinSet",
    "LocalPoolHandle",
    "LocalSet",
    "LocalSpawner",
    "Runtime",
    "Scope",
    "ScopeFifo",
    "TaskTracker",
    "ThreadPool",
];

/// A call that starts work.
pub(crate) struct Site {
    /// The arguments that are the work.
    pub(crate) works: Vec<usize>,
    pub(crate) work: Work,
    /// Certainly a spawn. Otherwise it may be a `spawn` that has nothing to do with tasks.
    pub(crate) known: bool,
    /// Certainly one that panics outside a tokio runtime.
    pub(crate) needs_tokio: bool,
}

/// Whether calling this path with these arguments starts work.
pub(crate) fn function(path: &Path, args: &[&Expr]) -> Option<Site> {
    let spawn = named(&last_name(path))?;
    let owner = qualifier(path);
    let below_rayon = names(path, "rayon");
    let is_type = owner
        .as_deref()
        .is_some_and(|owner| owner.starts_with(char::is_uppercase));
    let works = if is_type
        && owner
            .as_deref()
            .is_some_and(|owner| RECEIVERS.contains(&owner))
    {
        let after = args.len().checked_sub(1)?;
        let after_receiver = positions(spawn.methods, after)?;
        after_receiver.iter().map(|index| index + 1).collect()
    } else if spawn.place == Where::Rayon && !below_rayon {
        return None;
    } else {
        positions(spawn.functions, args.len())?.to_vec()
    };
    Some(Site {
        works,
        work: spawn.work,
        known: spawn.name != "spawn" || is_known(path),
        needs_tokio: needs_tokio(path, spawn.name),
    })
}

/// Whether calling this method with these arguments starts work.
pub(crate) fn method(name: &str, args: &[&Expr]) -> Option<Site> {
    let spawn = named(name)?;
    let works = positions(spawn.methods, args.len())?;
    let is_literal = |index: &usize| matches!(args[*index], Expr::Closure(_));
    let is_literal = works.iter().any(is_literal);
    if spawn.place == Where::Rayon && !is_literal && name != "install" {
        return None;
    }
    Some(Site {
        works: works.to_vec(),
        work: spawn.work,
        known: name != "spawn" && (is_literal || name != "install"),
        needs_tokio: false,
    })
}

/// Whether this path, used as a value, is a function that spawns. A single `spawn` is, unless it is a local name.
pub(crate) fn is_function(path: &Path, is_local: impl Fn(&str) -> bool) -> bool {
    let name = last_name(path);
    let Some(spawn) = named(&name) else {
        return false;
    };
    match qualifier(path) {
        None => {
            spawn.place == Where::Anywhere && spawn.name.starts_with("spawn") && !is_local(&name)
        }
        Some(_) if spawn.place == Where::Rayon => names(path, "rayon"),
        Some(owner) => is_known(path) || RECEIVERS.contains(&owner.as_str()),
    }
}

/// Whether this name alone is a spawn, in tokens that cannot be read any better.
pub(crate) fn is_name(name: &str) -> bool {
    named(name).is_some_and(|spawn| spawn.place == Where::Anywhere)
}

/// Whether this name may be a spawn, depending on what stands around it.
pub(crate) fn may_be_name(name: &str) -> bool {
    named(name).is_some()
}

/// Whether this is a module or crate whose spawns are known.
pub(crate) fn is_module(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn named(name: &str) -> Option<&'static Spawn> {
    SPAWNS.iter().find(|spawn| spawn.name == name)
}

fn positions(positions: Positions, count: usize) -> Option<&'static [usize]> {
    positions
        .iter()
        .find(|(n, _)| *n == count)
        .map(|(_, works)| *works)
}

fn qualifier(path: &Path) -> Option<String> {
    path.segments
        .iter()
        .rev()
        .nth(1)
        .map(|segment| segment.ident.to_string())
}

fn names(path: &Path, module: &str) -> bool {
    path.segments
        .iter()
        .rev()
        .skip(1)
        .any(|segment| segment.ident == module)
}

fn is_known(path: &Path) -> bool {
    KNOWN.iter().any(|module| names(path, module))
}

fn needs_tokio(path: &Path, name: &str) -> bool {
    let elsewhere = ["async_std", "smol", "rayon", "std"]
        .iter()
        .any(|other| names(path, other));
    let tokio = names(path, "tokio") || names(path, "task");
    let bare = path.segments.len() == 1 && ["spawn_blocking", "spawn_local"].contains(&name);
    ["spawn", "spawn_blocking", "spawn_local"].contains(&name) && !elsewhere && (tokio || bare)
}
