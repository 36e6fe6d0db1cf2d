//! The look-up: closest carrier first, and the trail it leaves when nobody is found.

use super::stack::{self, Claim};
use crate::error::Place;
use crate::error::{Asker, Error, Subject, Trail};
use crate::owner::Owner;
use std::panic::Location;
use tracing::Span;

/// The owner of the code that is running now, if it has one.
///
/// Closest wins: a scope entered inside the running task (a guard, an owned future, a span that carries an owner), then
/// the owner of the runtime whose thread this is. An owner whose test has ended is returned too; what needs it running
/// says so.
///
/// Costs a thread-local read and a reference count.
#[must_use]
pub fn current() -> Option<Owner> {
    match stack::claim() {
        Some(Claim::Owned(owner)) => Some(owner),
        // Work that is nobody's on purpose stays so on the threads of a test's runtime.
        Some(Claim::Unowned(_)) | None => None,
    }
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
            trail: Box::new(trail(asked_at, Vec::new())),
        });
    };
    owner.require_running(Subject::Context, asked_at)?;
    Ok(owner)
}

/// Calls `f` with the owner of the code that is running now. No lock or borrow is held meanwhile.
pub fn with_current<R>(f: impl FnOnce(Option<&Owner>) -> R) -> R {
    f(current().as_ref())
}

/// Where [`current`] looked and what was there. Only made once nobody was found.
pub(crate) fn trail(asked_at: Option<Place>, more: Vec<(&'static str, String)>) -> Trail {
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
        ("the runtime of this thread", the_thread()),
    ];
    steps.extend(more);
    let mut help = vec![
        "put `#[owned_task]` on the function that spawns this work, or spawn `heirloom::owned(future)`",
        "run it inside a test: `#[sandboxed]` in place of `#[test]` or `#[tokio::test]`",
    ];
    if exempt.is_some() {
        help = vec!["remove the `#[unowned]` if this work belongs to the test after all"];
    }
    Trail {
        steps,
        asker: Asker::now(asked_at),
        help,
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
