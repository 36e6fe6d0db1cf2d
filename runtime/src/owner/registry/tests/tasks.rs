//! Tasks that are allowed to use an owner's sessions.

use super::super::{Mode, ModeChange, Refused, Role, Target};
use super::{A, B, C, MAIN, Tested, actor, three};

const TASK: Target<u8> = Target::Task(7);

fn tasks_of(registry: &Tested, id: super::OwnerId) -> Vec<u8> {
    let mut tasks: Vec<_> = registry.allowances().tasks_of(id).collect();
    tasks.sort_unstable();
    tasks
}

#[test]
fn a_task_that_was_allowed_finds_the_owner() {
    let mut registry = three();
    assert_eq!(registry.allowed_task(7), None);
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.allowed_task(7), Some(A));
    assert_eq!(registry.allowed_task(8), None);
    assert_eq!(registry.allowed(None, None), None);
    assert_eq!(tasks_of(&registry, A), [7]);
    assert_eq!(tasks_of(&registry, B), [0; 0]);
}

#[test]
fn allowing_the_same_task_again_changes_nothing() {
    let mut registry = three();
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.allowances().len(), 1);
    assert_eq!(registry.allowed_task(7), Some(A));
}

#[test]
fn a_task_of_another_owner_is_refused_and_stays_there() {
    let mut registry = three();
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.allow(B, TASK), Err(Refused::AllowedBy(A)));
    assert_eq!(registry.allowed_task(7), Some(A));
    assert_eq!(tasks_of(&registry, B), [0; 0]);
}

#[test]
fn an_owner_that_has_ended_allows_nothing() {
    let mut registry = three();
    registry.end(A);
    for target in [TASK, actor("pricing")] {
        let ended = Err(Refused::OwnerEnded);
        assert_eq!(registry.allow(A, target.clone()), ended);
        assert_eq!(registry.reassign(A, target), ended);
    }
    assert_eq!(registry.allowances().len(), 0);
    // Told before who else has it: that would not help.
    assert_eq!(registry.allow(B, TASK), Ok(()));
    assert_eq!(registry.allow(A, TASK), Err(Refused::OwnerEnded));
    assert_eq!(registry.reassign(A, TASK), Err(Refused::OwnerEnded));
    assert_eq!(registry.allowed_task(7), Some(B));
}

#[test]
fn a_task_that_was_reassigned_does_not_hang_on_its_first_owner() {
    let mut registry = three();
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.reassign(B, TASK), Ok(()));
    assert_eq!(registry.allowed_task(7), Some(B));
    assert_eq!(registry.allow(A, TASK), Err(Refused::AllowedBy(B)));
    let (_, end) = registry.end(A).unwrap();
    assert_eq!(end.lost, []);
    assert_eq!(registry.allowed_task(7), Some(B));
}

#[test]
fn a_task_that_was_reassigned_does_not_go_back() {
    let mut registry = three();
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_eq!(registry.reassign(B, TASK), Ok(()));
    let (_, end) = registry.end(B).unwrap();
    assert_eq!(end.lost, [TASK]);
    assert_eq!(registry.allowed_task(7), None);
    assert_eq!(registry.allow(C, TASK), Ok(()));
}

#[test]
fn tasks_lose_their_allowance_with_the_owner_and_only_with_it() {
    let mut registry = three();
    for task in [1, 2] {
        assert_eq!(registry.allow(A, Target::Task(task)), Ok(()));
    }
    assert_eq!(registry.allow(B, Target::Task(3)), Ok(()));
    // Giving the session back takes no allowance away: the owner may check out again.
    registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    let (answer, _) = registry.set_mode(MAIN, Mode::Manual, Role::Owner);
    assert_eq!(answer, ModeChange::Ok);
    assert_eq!(registry.allowed_task(1), Some(A));

    let (_, end) = registry.end(A).unwrap();
    assert_eq!(end.lost.len(), 2);
    for task in [1, 2] {
        assert!(end.lost.contains(&Target::Task(task)));
        assert_eq!(registry.allowed_task(task), None);
    }
    assert_eq!(registry.allowed_task(3), Some(B));
    assert_eq!(registry.allow(C, Target::Task(1)), Ok(()));
}

#[test]
fn an_actor_comes_before_the_task_it_runs_in() {
    let mut registry = three();
    let pricing = registry.actor_starts("pricing", None);
    assert_eq!(registry.allow(A, TASK), Ok(()));
    let both = (Some(7), Some(pricing));
    assert_eq!(registry.allowed(both.0, both.1), Some(&A));
    assert_eq!(registry.allow(B, actor("pricing")), Ok(()));
    assert_eq!(registry.allowed(both.0, both.1), Some(&B));
    registry.actor_ends(pricing);
    assert_eq!(registry.allowed(both.0, both.1), Some(&A));
}

#[test]
fn the_count_is_zero_only_while_nothing_is_allowed() {
    let mut registry = three();
    let counted = |registry: &Tested| registry.allowances().len();
    assert_eq!(counted(&registry), 0);
    let pricing = registry.actor_starts("pricing", None);
    assert_eq!(counted(&registry), 0, "an actor that nobody allows");
    assert_eq!(registry.allow(A, TASK), Ok(()));
    assert_ne!(counted(&registry), 0);
    assert_eq!(registry.reassign(B, TASK), Ok(()));
    registry.end(A);
    assert_ne!(counted(&registry), 0);
    registry.end(B);
    assert_eq!(counted(&registry), 0);
    assert_eq!(registry.allow(C, actor("pricing")), Ok(()));
    assert_ne!(counted(&registry), 0);
    registry.actor_ends(pricing);
    assert_ne!(counted(&registry), 0, "the name stands");
    registry.end(C);
    assert_eq!(counted(&registry), 0);
}
