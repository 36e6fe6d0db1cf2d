//! The look-up: closest carrier first, and the trail it leaves when nobody is found.

use super::claim::Claim;
use super::repeats;
use super::stack;
use crate::error::Place;
use crate::error::{Asker, Error, Subject, Trail};
#[cfg(feature = "_database")]
use crate::owner::Role;
use crate::owner::{DIRECTORY, Owner, Target, inspect_some, last_of_target};
use std::panic::Location;
use tracing::Span;

/// The owner of the code that is running now, if it has one.
///
/// Closest wins: a scope entered inside the running task (a guard, an owned future, a span that carries an owner), then
/// what was allowed to the task or to the actor it runs as ([`Owner::allow`]), then the owner the task was born with,
/// then the owner of the runtime whose thread this is. An owner whose test has ended is returned too; what needs it
/// running says so.
///
/// Costs a thread-local read and a reference count; where something is allowed to anybody, a look into a hash map more.
#[must_use]
pub fn current() -> Option<Owner> {
    // Work that is nobody's on purpose stays so on the threads of a test's runtime.
    stack::with_claim(|claim| match claim {
        Claim::Owned(owner, _) => Some(owner.clone()),
        Claim::Unowned(_) | Claim::Nobody => None,
    })?
}

/// The same, and what the running code is to that owner.
#[cfg(feature = "_database")]
pub(crate) fn current_role() -> Option<(Owner, Role)> {
    stack::with_claim(|claim| match claim {
        Claim::Owned(owner, role) => Some((owner.clone(), *role)),
        Claim::Unowned(_) | Claim::Nobody => None,
    })?
}

/// The owner of the code that is running now.
///
/// # Errors
///
/// [`Error::Ownership`] when nobody owns it, with the trail that was looked along; [`Error::OwnerEnded`] when its test
/// is over.
#[track_caller]
pub fn require_current() -> Result<Owner, Error> {
    let asked_at = Some(Location::caller().into());
    let Some(owner) = current() else {
        return Err(Error::Ownership {
            subject: Subject::Context,
            trail: Box::new(trail(Subject::Context, asked_at, Vec::new)),
        });
    };
    owner.require_running(Subject::Context, asked_at)?;
    Ok(owner)
}

/// Calls `f` with the owner of the code that is running now. No lock or borrow is held meanwhile.
pub fn with_current<R>(f: impl FnOnce(Option<&Owner>) -> R) -> R {
    f(current().as_ref())
}

/// Where [`current`] looked and what was there. Only made once nobody was found. Who owns what is looked at only the
/// first times that the same code asks: a service that polls is told again and again, and each time costs.
pub(crate) fn trail(
    subject: Subject,
    asked_at: Option<Place>,
    more: impl FnOnce() -> Vec<(&'static str, String)>,
) -> Trail {
    let asker = Asker::now(asked_at);
    let repeated = repeats::count(subject, &asker);
    if repeated.is_power_of_two() || repeated == 0 {
        // Below the default of a test's subscriber: a suite that passes says nothing.
        tracing::warn!(target: "heirloom", repeated, "nobody owns a use of {subject}, {asker}");
    }
    let exempt = match stack::claim() {
        Some(Claim::Unowned(exempt)) => Some(exempt),
        _ => None,
    };
    let scope = exempt.as_ref().map_or_else(
        || "none entered".to_owned(),
        |exempt| {
            format!(
                "marked `#[unowned(\"{}\")]` at {}, so the search ends here",
                exempt.why, exempt.at
            )
        },
    );
    let mut steps = vec![
        ("a scope or owned task around this code", scope),
        ("the current tracing span", the_span().to_owned()),
        ("an allowance for this task or actor", the_allowance()),
        ("the runtime of this thread", the_thread()),
    ];
    steps.extend(more());
    let mut help = vec![
        "put `#[owned_task]` on the function that spawns this work, or spawn `heirloom::owned(future)`",
        "run it inside a test: `#[sandboxed]` in place of `#[test]` or `#[tokio::test]`",
        "if it was started before the test: let the test adopt it, `sandbox.owner().allow(&handle)`",
    ];
    if exempt.is_some() {
        help = vec!["remove the `#[unowned]` if this work belongs to the test after all"];
    }
    Trail {
        steps,
        asker,
        help,
        inspection: (repeated < repeats::WITH_TREE).then(|| Box::new(inspect_some(SHOWN))),
        repeated,
    }
}

/// How many owners an error lists. A suite may have hundreds.
const SHOWN: usize = 8;

fn the_allowance() -> String {
    let (task, actor) = stack::allowable();
    let name =
        actor.and_then(|actor| DIRECTORY.read(|registry| registry.allowances().name_of(actor)));
    let by_name = name.and_then(|name| last_of_target(&Target::Actor(name.into())));
    let by_task = || last_of_target(&Target::Task(task?));
    match (by_name.or_else(by_task), name, task) {
        (Some(owner), ..) => format!("it had one from {owner}"),
        (None, Some(name), _) => format!("nobody allows the actor `{name}`"),
        (None, None, Some(task)) => format!("nobody allows task {task}"),
        (None, None, None) => "this is not a tokio task, so it has none".to_owned(),
    }
}

fn the_span() -> &'static str {
    if !super::layer_is_installed() {
        "`heirloom::layer()` is not installed here, so spans carry no owners"
    } else if Span::current().is_none() {
        "the layer is installed, but no span is entered"
    } else {
        "the layer is installed, but the span carries no owner"
    }
}

fn the_thread() -> String {
    stack::thread_owner().map_or_else(
        || "not one that a `#[sandboxed]` test started".to_owned(),
        |owner| format!("that of `{owner}`, which does not count here"),
    )
}
