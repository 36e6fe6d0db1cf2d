//! Actors that are allowed to use an owner's sessions: by name, running or not.

use super::super::{Refused, Target};
use super::{A, B, C, OwnerId, Tested, actor, three};
use std::borrow::Cow;

const NAME: &str = "pricing";

fn allow(registry: &mut Tested, id: OwnerId) -> Result<(), Refused> {
    registry.allow(id, actor(NAME))
}

fn names_of(registry: &Tested, id: OwnerId) -> Vec<(&str, usize)> {
    registry.allowances().names_of(id).collect()
}

#[test]
fn an_actor_that_runs_is_allowed() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, None);
    let other = registry.actor_starts("billing", None);
    assert_eq!(registry.allowed_actor(pricing), None);
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(registry.allowed_actor(other), None);
    assert_eq!(names_of(&registry, A), [(NAME, 1)]);
}

#[test]
fn an_actor_that_does_not_run_yet_is_allowed_when_it_starts() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(names_of(&registry, A), [(NAME, 0)]);
    let other = registry.actor_starts("billing", None);
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(registry.allowed_actor(other), None);
}

#[test]
fn all_actors_of_a_name_are_allowed() {
    let mut registry = three();
    let early = [0, 1].map(|_| registry.actor_starts(NAME, None));
    assert_eq!(allow(&mut registry, A), Ok(()));
    let late = [0, 1].map(|_| registry.actor_starts(NAME, None));
    for pricing in early.into_iter().chain(late) {
        assert_eq!(registry.allowed_actor(pricing), Some(A));
    }
    assert_eq!(names_of(&registry, A), [(NAME, 4)]);
}

#[test]
fn an_actor_may_be_restarted() {
    let mut registry = three();
    let first = registry.actor_starts(NAME, None);
    assert_eq!(allow(&mut registry, A), Ok(()));
    registry.actor_ends(first);
    assert_eq!(registry.allowed_actor(first), None);
    assert_eq!(registry.allowances().name_of(first), None);
    assert_eq!(names_of(&registry, A), [(NAME, 0)]);
    let second = registry.actor_starts(NAME, None);
    assert_ne!(second, first);
    assert_eq!(registry.allowed_actor(second), Some(A));
    assert_eq!(registry.allowances().name_of(second), Some(NAME));
    registry.actor_ends(first);
    assert_eq!(registry.allowed_actor(second), Some(A));
}

#[test]
fn a_name_is_its_text() {
    let mut registry = three();
    let made: Target<u8> = Target::Actor(Cow::Owned(NAME.to_owned()));
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(registry.allow(A, made.clone()), Ok(()));
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(registry.allowances().len(), 1);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(registry.allow(B, made), Err(Refused::AllowedBy(A)));
}

#[test]
fn an_actor_that_was_born_to_another_owner_is_left_alone() {
    let mut registry = three();
    let early = registry.actor_starts(NAME, Some(B));
    assert_eq!(allow(&mut registry, A), Ok(()));
    let late = registry.actor_starts(NAME, Some(B));
    for pricing in [early, late] {
        assert_eq!(registry.allowed_actor(pricing), None);
    }
    assert_eq!(names_of(&registry, A), [(NAME, 0)]);
    // Their own owner may still want them by name.
    assert_eq!(allow(&mut registry, B), Ok(()));
    for pricing in [early, late] {
        assert_eq!(registry.allowed_actor(pricing), Some(B));
    }
}

#[test]
fn an_actor_goes_to_the_owner_it_was_born_to_before_one_with_fewer() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(allow(&mut registry, B), Ok(()));
    for _ in 0..2 {
        let born = registry.actor_starts(NAME, Some(B));
        assert_eq!(registry.allowed_actor(born), Some(B));
    }
}

#[test]
fn actors_go_to_the_owner_with_the_fewest_then_to_the_oldest() {
    let mut registry = three();
    for id in [B, A, C] {
        assert_eq!(allow(&mut registry, id), Ok(()));
    }
    let mut starts = || {
        let pricing = registry.actor_starts(NAME, None);
        (pricing, registry.allowed_actor(pricing))
    };
    let round = [starts(), starts(), starts()];
    assert_eq!(round.map(|(_, id)| id), [Some(B), Some(A), Some(C)]);
    let (_, fourth) = starts();
    assert_eq!(fourth, Some(B));
    // Whoever lost one is served first.
    registry.actor_ends(round[2].0);
    let next = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(next), Some(C));
}

#[test]
fn an_actor_of_another_owner_is_refused_and_nothing_waits() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(allow(&mut registry, B), Err(Refused::AllowedBy(A)));
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(names_of(&registry, B), []);
    let next = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(next), Some(A));
}

#[test]
fn the_refusal_names_the_owner_of_the_oldest_actor() {
    let mut registry = three();
    for id in [A, B] {
        assert_eq!(allow(&mut registry, id), Ok(()));
    }
    let first = registry.actor_starts(NAME, None);
    let second = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(second), Some(B));
    assert_eq!(allow(&mut registry, C), Err(Refused::AllowedBy(A)));
    registry.actor_ends(first);
    assert_eq!(allow(&mut registry, C), Err(Refused::AllowedBy(B)));
}

#[test]
fn of_several_actors_those_that_are_free_are_allowed() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    let taken = registry.actor_starts(NAME, None);
    let (free, born) = {
        // Of another owner when it started, of nobody since that ended.
        let free = registry.actor_starts(NAME, Some(C));
        registry.end(C);
        (free, registry.actor_starts(NAME, Some(A)))
    };
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(taken), Some(A));
    assert_eq!(registry.allowed_actor(free), Some(B));
    assert_eq!(registry.allowed_actor(born), Some(A));
}

#[test]
fn allowing_the_same_actor_again_changes_nothing() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, None);
    for _ in 0..2 {
        assert_eq!(allow(&mut registry, A), Ok(()));
        assert_eq!(registry.allowances().len(), 1);
    }
    assert_eq!(names_of(&registry, A), [(NAME, 1)]);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
}

/// What it was allowed before stands, so it would be wrong to say that it is not allowed.
#[test]
fn allowing_again_is_no_error_when_the_actor_went_to_another_owner() {
    let mut registry = three();
    for id in [A, B] {
        assert_eq!(allow(&mut registry, id), Ok(()));
    }
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(names_of(&registry, B), [(NAME, 0)]);
}

#[test]
fn reassigning_takes_every_running_actor_that_was_not_born_to_another_owner() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    let adopted = registry.actor_starts(NAME, None);
    let born = registry.actor_starts(NAME, Some(C));
    let other = registry.actor_starts("billing", None);
    assert_eq!(registry.allow(A, actor("billing")), Ok(()));
    assert_eq!(registry.reassign(B, actor(NAME)), Ok(()));
    assert_eq!(registry.allowed_actor(adopted), Some(B));
    assert_eq!(registry.allowed_actor(born), None);
    assert_eq!(names_of(&registry, A), [("billing", 1)]);
    assert_eq!(names_of(&registry, B), [(NAME, 1)]);
    assert_eq!(registry.allowed_actor(other), Some(A));
    // Later ones too; but who is born to somebody else is again left alone.
    let next = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(next), Some(B));
    let born = registry.actor_starts(NAME, Some(C));
    assert_eq!(registry.allowed_actor(born), None);
}

#[test]
fn an_actor_that_was_reassigned_does_not_hang_on_its_first_owner() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(allow(&mut registry, A), Ok(()));
    for _ in 0..2 {
        assert_eq!(registry.reassign(B, actor(NAME)), Ok(()));
        assert_eq!(registry.allowances().len(), 1);
    }
    let (_, end) = registry.end(A).unwrap();
    assert_eq!(end.lost, []);
    assert_eq!(registry.allowed_actor(pricing), Some(B));
    let (_, end) = registry.end(B).unwrap();
    assert_eq!(end.lost, [actor(NAME)]);
    assert_eq!(registry.allowed_actor(pricing), None);
}

#[test]
fn actors_lose_their_allowance_with_the_owner_and_the_next_owner_gets_them() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(allow(&mut registry, A), Ok(()));
    let (_, end) = registry.end(A).unwrap();
    assert_eq!(end.lost, [actor(NAME)]);
    assert_eq!(registry.allowed_actor(pricing), None);
    assert_eq!(registry.allowances().name_of(pricing), Some(NAME));
    let orphan = registry.actor_starts(NAME, None);
    assert_eq!(registry.allowed_actor(orphan), None);
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(pricing), Some(B));
    assert_eq!(registry.allowed_actor(orphan), Some(B));
}

/// An actor is not handed on in the middle of its work: it may hold what it read from the owner that has ended.
#[test]
fn an_owner_that_waits_gets_a_running_actor_only_when_it_asks_again() {
    let mut registry = three();
    for id in [A, B] {
        assert_eq!(allow(&mut registry, id), Ok(()));
    }
    let pricing = registry.actor_starts(NAME, None);
    registry.end(A);
    assert_eq!(registry.allowed_actor(pricing), None);
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(pricing), Some(B));
}

#[test]
fn an_actor_whose_owner_by_birth_has_ended_can_be_adopted() {
    let mut registry = three();
    let pricing = registry.actor_starts(NAME, Some(A));
    assert_eq!(allow(&mut registry, B), Ok(()));
    registry.end(A);
    assert_eq!(registry.allowed_actor(pricing), None);
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(pricing), Some(B));
    assert_eq!(allow(&mut registry, C), Err(Refused::AllowedBy(B)));
}

/// The first poll of a task may come later than the end of the test that spawned it.
#[test]
fn an_actor_that_starts_after_its_owner_by_birth_has_ended_is_no_different() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, B), Ok(()));
    registry.end(A);
    let late = registry.actor_starts(NAME, Some(A));
    // What a test left behind must not find its way to another one by itself.
    assert_eq!(registry.allowed_actor(late), None);
    assert_eq!(allow(&mut registry, B), Ok(()));
    assert_eq!(registry.allowed_actor(late), Some(B));
}

#[test]
fn names_and_actors_of_several_owners_do_not_mix() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    assert_eq!(registry.allow(B, actor("billing")), Ok(()));
    let pricing = registry.actor_starts(NAME, None);
    let billing = registry.actor_starts("billing", None);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(registry.allowed_actor(billing), Some(B));
    registry.end(B);
    assert_eq!(registry.allowed_actor(pricing), Some(A));
    assert_eq!(registry.allowed_actor(billing), None);
    assert_eq!(registry.allowances().len(), 1);
}

/// There is no chain of allowances that could break: who passed one on does not matter.
#[test]
fn what_an_actor_was_allowed_stays_when_another_actor_of_the_owner_ends() {
    let mut registry = three();
    assert_eq!(allow(&mut registry, A), Ok(()));
    let pricing = registry.actor_starts(NAME, None);
    assert_eq!(registry.allow(A, Target::Task(1)), Ok(()));
    registry.actor_ends(pricing);
    assert_eq!(registry.allowed_task(1), Some(A));
}
