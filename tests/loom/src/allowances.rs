//! Allowances while owners end and actors start.

use crate::owner::OwnerId;
use crate::owner::registry::{Refused, Target};
use crate::{A, ACTOR, B, Directory, TASK, actor, join, two, writes};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::spawn;

fn allows(directory: &Directory, id: OwnerId, target: Target<u8>) -> Result<(), Refused> {
    directory.write(|registry| registry.allow(id, target))
}

/// Whatever comes first, an owner that has ended leaves no allowance behind, neither of a task nor of a name.
pub fn allowing_races_with_the_end() {
    loom::model(|| {
        let directory = two();
        let allowing = {
            let directory = Arc::clone(&directory);
            spawn(move || {
                let task = allows(&directory, A, Target::Task(TASK));
                let name = allows(&directory, A, actor());
                (task, name)
            })
        };
        let ending = writes(&directory, |registry| {
            registry.end(A).map(|(_, end)| end.lost)
        });
        // Meanwhile it is found or it is not, but nobody is led to an owner that is not there.
        let seen = directory.allowed(Some(TASK), None);
        assert!(seen.is_none_or(|id| id == A));

        let (task, name) = join(allowing);
        let lost = join(ending).expect("it had not ended before");
        assert_eq!(task.is_ok(), lost.contains(&Target::Task(TASK)));
        assert!(task.is_ok() || name == Err(Refused::OwnerEnded));
        assert!(!directory.has_allowances());
        assert_eq!(directory.allowed(Some(TASK), None), None);
        assert_eq!(directory.read(|registry| registry.allowances().len()), 0);
    });
}

/// The look-up asks `has_allowances` first, without the lock: it must not miss what was allowed before.
pub fn whoever_sees_that_it_was_allowed_finds_it() {
    loom::model(|| {
        let directory = two();
        let allowed = Arc::new(AtomicBool::new(false));
        let allowing = {
            let (directory, allowed) = (Arc::clone(&directory), Arc::clone(&allowed));
            spawn(move || {
                assert_eq!(allows(&directory, A, Target::Task(TASK)), Ok(()));
                allowed.store(true, Ordering::Release);
            })
        };
        // Somebody else's must not hide it.
        let ending = writes(&directory, |registry| registry.end(B).is_some());
        if allowed.load(Ordering::Acquire) {
            assert!(directory.has_allowances());
            assert_eq!(directory.allowed(Some(TASK), None), Some(A));
        }
        join(allowing);
        assert!(join(ending));
        assert!(directory.has_allowances());
    });
}

/// What either question says first, the other one confirms.
pub fn the_count_and_the_registry_agree() {
    loom::model(|| {
        let directory = two();
        let allowing = writes(&directory, |registry| registry.allow(A, Target::Task(TASK)));
        let asking = {
            let directory = Arc::clone(&directory);
            spawn(move || {
                if directory.allowed(Some(TASK), None).is_some() {
                    assert!(directory.has_allowances());
                }
            })
        };
        if directory.has_allowances() {
            assert_eq!(directory.allowed(Some(TASK), None), Some(A));
        }
        assert_eq!(join(allowing), Ok(()));
        join(asking);
    });
}

/// An actor that starts while its name is being allowed is not lost between the two.
pub fn an_actor_starts_while_its_name_is_allowed() {
    loom::model(|| {
        let directory = two();
        let allowing = writes(&directory, |registry| registry.allow(A, actor()));
        let starting = writes(&directory, |registry| registry.actor_starts(ACTOR, None));
        assert_eq!(join(allowing), Ok(()));
        let pricing = join(starting);
        assert!(directory.has_allowances());
        assert_eq!(directory.allowed(None, Some(pricing)), Some(A));
    });
}

/// An actor whose owner by birth ends while it starts goes to nobody by itself, and to whoever asks for it.
pub fn an_actor_starts_while_its_owner_by_birth_ends() {
    loom::model(|| {
        let directory = two();
        let starting = writes(&directory, |registry| registry.actor_starts(ACTOR, Some(A)));
        let ending = writes(&directory, |registry| registry.end(A).is_some());
        let allowing = writes(&directory, |registry| registry.allow(B, actor()));
        let pricing = join(starting);
        assert!(join(ending));
        assert_eq!(join(allowing), Ok(()));
        assert_eq!(allows(&directory, B, actor()), Ok(()));
        assert_eq!(directory.allowed(None, Some(pricing)), Some(B));
    });
}

/// One gets the task, the other is told who.
pub fn two_owners_allow_one_task() {
    two_owners_allow(|| Target::Task(TASK), 0);
}

/// One gets the actor, the other is told who.
pub fn two_owners_allow_one_running_actor() {
    two_owners_allow(actor, 1);
}

fn two_owners_allow(target: fn() -> Target<u8>, running: usize) {
    loom::model(move || {
        let directory = two();
        let actors: Vec<_> = (0..running)
            .map(|_| directory.write(|registry| registry.actor_starts(ACTOR, None)))
            .collect();
        let first = writes(&directory, move |registry| registry.allow(A, target()));
        let second = writes(&directory, move |registry| registry.allow(B, target()));
        let winner = match (join(first), join(second)) {
            (Ok(()), Err(Refused::AllowedBy(A))) => A,
            (Err(Refused::AllowedBy(B)), Ok(())) => B,
            other => panic!("one wins and the other is told who: {other:?}"),
        };
        let found = directory.allowed(Some(TASK), actors.first().copied());
        assert_eq!(found, Some(winner));
    });
}
