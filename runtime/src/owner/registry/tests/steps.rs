//! What random programs are made of.

use super::super::Role;
use super::history::Name;
use super::{LEDGER, MAIN, PG, RepoId, Target, actor};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) const OWNERS: usize = 5;
pub(super) const TASKS: u8 = 4;
pub(super) const REPOS: [RepoId; 3] = [MAIN, PG, LEDGER];
pub(super) const NAMES: [Name; 2] = ["billing", "pricing"];

/// An owner of a program. When it has ended and starts again it is another owner, as ids are never used again.
pub(super) type Slot = usize;

#[derive(Clone, Debug)]
pub(super) enum Step {
    SuiteStarts,
    Start(Slot),
    End(Slot),
    Checkout(Slot, Role, RepoId),
    Checkin(Slot, Role, RepoId),
    Use(Slot, RepoId),
    Take(Slot, RepoId, Which),
    NotOpened(Slot, RepoId, Which),
    SetMode(RepoId, Wish, Role),
    ShareEverywhere(Slot),
    Allow(Slot, Target<u8>),
    Reassign(Slot, Target<u8>),
    ActorStarts(Name, Option<Slot>),
    /// The number is counted from the youngest.
    ActorEnds(usize),
}

/// Which ticket is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// The last that the owner got on the repo.
    Last,
    /// The one before.
    Older,
    /// The last that anybody got.
    Anybodys,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Auto,
    Manual,
    Shared(Slot),
}

fn step() -> impl Strategy<Value = Step> {
    // Most steps are about the same few: what goes wrong takes several in a row on one session.
    let slot = || prop_oneof![3 => 0..2usize, 1 => 0..OWNERS];
    let repo = || prop_oneof![3 => Just(MAIN), 1 => prop::sample::select(REPOS.to_vec())];
    let name = || prop::sample::select(NAMES.to_vec());
    let role =
        || prop_oneof![3 => Just(Role::Owner), 1 => Just(Role::Heir), 1 => Just(Role::Allowed)];
    let which = || {
        prop_oneof![
            3 => Just(Which::Last),
            1 => Just(Which::Older),
            1 => Just(Which::Anybodys),
        ]
    };
    let wish = prop_oneof![
        1 => Just(Wish::Auto),
        2 => Just(Wish::Manual),
        4 => slot().prop_map(Wish::Shared),
    ];
    let target = || prop_oneof![(0..TASKS).prop_map(Target::Task), name().prop_map(actor),];
    prop_oneof![
        8 => slot().prop_map(Step::Start),
        3 => slot().prop_map(Step::End),
        4 => (slot(), role(), repo()).prop_map(|(s, role, r)| Step::Checkout(s, role, r)),
        3 => (slot(), role(), repo()).prop_map(|(s, role, r)| Step::Checkin(s, role, r)),
        6 => (slot(), repo()).prop_map(|(s, r)| Step::Use(s, r)),
        2 => (slot(), repo(), which()).prop_map(|(s, r, w)| Step::Take(s, r, w)),
        2 => (slot(), repo(), which()).prop_map(|(s, r, w)| Step::NotOpened(s, r, w)),
        4 => (repo(), wish, role()).prop_map(|(r, wish, role)| Step::SetMode(r, wish, role)),
        1 => slot().prop_map(Step::ShareEverywhere),
        6 => (slot(), target()).prop_map(|(s, target)| Step::Allow(s, target)),
        2 => (slot(), target()).prop_map(|(s, target)| Step::Reassign(s, target)),
        5 => (name(), prop::option::of(slot())).prop_map(|(n, s)| Step::ActorStarts(n, s)),
        2 => (0usize..4).prop_map(Step::ActorEnds),
        1 => Just(Step::SuiteStarts),
    ]
}

pub(super) fn program() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=60)
}
