//! Modes: who changes them, who loses a session by it, and when a shared repo is manual again.

use super::super::{Evicted, Mode, ModeChange, Role, Ticket, Use};
use super::{A, B, C, LEDGER, MAIN, OwnerId, PG, RepoId, Tested, three};

const NOBODY: Vec<Evicted> = Vec::new();

fn change(registry: &mut Tested, mode: Mode) -> (ModeChange, Vec<Evicted>) {
    registry.set_mode(MAIN, mode, Role::Owner)
}

fn own_modes(registry: &Tested) -> Vec<(RepoId, Mode)> {
    registry.modes().collect()
}

fn evicted(owner: OwnerId, ticket: Ticket) -> Evicted {
    Evicted {
        owner,
        repo: MAIN,
        ticket,
    }
}

#[test]
fn repos_are_auto_until_a_suite_starts() {
    let mut registry = three();
    assert_eq!(registry.mode(MAIN), Mode::Auto);
    registry.suite_starts();
    registry.suite_starts();
    assert_eq!(registry.mode(MAIN), Mode::Manual);
    assert_eq!(registry.mode(LEDGER), Mode::Manual);
    assert_eq!(own_modes(&registry), []);
}

#[test]
fn a_mode_that_was_set_stays_when_a_suite_starts() {
    let mut registry = three();
    // It is this one already, but now it is meant.
    assert_eq!(
        change(&mut registry, Mode::Auto),
        (ModeChange::Ok, Vec::new())
    );
    registry.suite_starts();
    assert_eq!(registry.mode(MAIN), Mode::Auto);
    assert_eq!(registry.mode(PG), Mode::Manual);
    assert_eq!(own_modes(&registry), [(MAIN, Mode::Auto)]);
}

#[test]
fn a_suite_that_starts_takes_no_session_away() {
    let mut registry = three();
    let ticket = registry.opened(A, MAIN);
    registry.suite_starts();
    assert_eq!(registry.use_of(A, MAIN), Use::Open(ticket));
}

#[test]
fn the_same_mode_changes_nothing() {
    let mut registry = three();
    let a = registry.opened(A, MAIN);
    assert_eq!(change(&mut registry, Mode::Auto), (ModeChange::Ok, NOBODY));
    assert_eq!(registry.use_of(A, MAIN), Use::Open(a));
    let (answer, _) = change(&mut registry, Mode::Manual);
    assert_eq!(answer, ModeChange::Ok);
    let b = registry.opened(B, MAIN);
    let again = change(&mut registry, Mode::Manual);
    assert_eq!(again, (ModeChange::Ok, NOBODY));
    assert_eq!(registry.use_of(B, MAIN), Use::Open(b));
}

#[test]
fn a_change_takes_every_session_on_that_repo_away() {
    for mode in [Mode::Manual, Mode::Auto] {
        let mut registry = three();
        if mode == Mode::Auto {
            registry.suite_starts();
        }
        let (a, b) = (registry.opened(A, MAIN), registry.opened(B, MAIN));
        registry.opened(C, MAIN);
        registry.gave_back(C, MAIN);
        let other = registry.opened(A, PG);
        let all = vec![evicted(A, a), evicted(B, b)];
        assert_eq!(change(&mut registry, mode), (ModeChange::Ok, all));
        assert_eq!(registry.mode(MAIN), mode);
        for id in [A, B, C] {
            assert_eq!(registry.use_of(id, MAIN), Use::GivenBack);
        }
        assert_eq!(registry.use_of(A, PG), Use::Open(other));
    }
}

#[test]
fn whoever_has_not_used_the_repo_yet_is_not_hit_by_a_change() {
    let mut registry = three();
    registry.opened(A, MAIN);
    let (answer, _) = change(&mut registry, Mode::Manual);
    assert_eq!(answer, ModeChange::Ok);
    assert!(matches!(registry.use_of(B, MAIN), Use::Opens(_)));
}

#[test]
fn an_heir_may_change_the_mode() {
    let mut registry = three();
    let a = registry.opened(A, MAIN);
    let answer = registry.set_mode(MAIN, Mode::Manual, Role::Heir);
    assert_eq!(answer, (ModeChange::Ok, vec![evicted(A, a)]));
}

#[test]
fn sharing_takes_every_other_session_away() {
    let mut registry = three();
    let (a, b) = (registry.opened(A, MAIN), registry.opened(B, MAIN));
    let answer = change(&mut registry, Mode::Shared(B));
    assert_eq!(answer, (ModeChange::Ok, vec![evicted(A, a)]));
    assert_eq!(registry.mode(MAIN), Mode::Shared(B));
    assert_eq!(registry.mode(PG), Mode::Auto);
    assert_eq!(registry.use_of(B, MAIN), Use::Open(b));
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
}

#[test]
fn others_may_check_out_their_own_while_a_repo_is_shared() {
    let mut registry = three();
    let shared = registry.shared(A, MAIN);
    let own = registry.opened(B, MAIN);
    assert_eq!(registry.use_of(B, MAIN), Use::Open(own));
    registry.gave_back(B, MAIN);
    assert_eq!(registry.mode(MAIN), Mode::Shared(A));
    assert_eq!(registry.use_of(A, MAIN), Use::Open(shared));
}

#[test]
fn only_an_open_session_can_be_shared() {
    let mut registry = three();
    let refused = (ModeChange::NotFound, NOBODY);
    let bystander = registry.opened(B, MAIN);
    registry.opened(A, PG);
    assert_eq!(change(&mut registry, Mode::Shared(A)), refused, "unused");
    registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    assert_eq!(change(&mut registry, Mode::Shared(A)), refused, "back");
    registry.end(C);
    assert_eq!(change(&mut registry, Mode::Shared(C)), refused, "ended");
    // An heir is told so first: it could not share what is not there if it were the owner.
    let heir = registry.set_mode(MAIN, Mode::Shared(A), Role::Heir);
    assert_eq!(heir, refused);
    assert_eq!(registry.mode(MAIN), Mode::Auto);
    assert_eq!(own_modes(&registry), []);
    assert_eq!(registry.use_of(B, MAIN), Use::Open(bystander));
}

#[test]
fn an_heir_does_not_share_its_owners_session() {
    let mut registry = three();
    registry.opened(A, MAIN);
    let b = registry.opened(B, MAIN);
    let heir = registry.set_mode(MAIN, Mode::Shared(A), Role::Heir);
    assert_eq!(heir, (ModeChange::NotOwner, NOBODY));
    assert_eq!(registry.mode(MAIN), Mode::Auto);
    assert_eq!(registry.use_of(B, MAIN), Use::Open(b));
}

#[test]
fn a_shared_repo_is_refused_to_everybody_else_whatever_they_have() {
    let mut registry = three();
    registry.shared(A, MAIN);
    let refused = (ModeChange::AlreadyShared, NOBODY);
    assert_eq!(change(&mut registry, Mode::Shared(B)), refused, "evicted");
    registry.opened(C, MAIN);
    assert_eq!(change(&mut registry, Mode::Shared(C)), refused, "has one");
    let heir = registry.set_mode(MAIN, Mode::Shared(C), Role::Heir);
    assert_eq!(heir, refused);
    assert_eq!(registry.mode(MAIN), Mode::Shared(A));
}

#[test]
fn sharing_again_changes_nothing_not_even_for_an_heir() {
    let mut registry = three();
    let a = registry.shared(A, MAIN);
    let c = registry.opened(C, MAIN);
    for role in [Role::Owner, Role::Heir] {
        let again = registry.set_mode(MAIN, Mode::Shared(A), role);
        assert_eq!(again, (ModeChange::Ok, NOBODY));
    }
    assert_eq!(registry.use_of(A, MAIN), Use::Open(a));
    assert_eq!(registry.use_of(C, MAIN), Use::Open(c));
}

#[test]
fn a_shared_repo_can_be_set_back() {
    let mut registry = three();
    let a = registry.shared(A, MAIN);
    let answer = change(&mut registry, Mode::Manual);
    assert_eq!(answer, (ModeChange::Ok, vec![evicted(A, a)]));
    assert_eq!(registry.mode(MAIN), Mode::Manual);
    registry.checked_out(B, MAIN);
    let (answer, _) = change(&mut registry, Mode::Shared(B));
    assert_eq!(answer, ModeChange::Ok);
}

type Leave = fn(&mut Tested, Ticket);

/// The ways in which an owner loses the session that it shares.
const LEAVING: [(&str, Leave); 4] = [
    ("end", |registry, _| assert!(registry.end(A).is_some())),
    ("checkin", |registry, ticket| {
        assert_eq!(registry.gave_back(A, MAIN), ticket);
    }),
    ("take", |registry, ticket| {
        assert!(registry.take(A, MAIN, ticket));
    }),
    ("not opened", |registry, ticket| {
        assert!(registry.not_opened(A, MAIN, ticket));
    }),
];

#[test]
fn a_shared_repo_is_manual_when_its_owner_has_left() {
    for (how, leave) in LEAVING {
        let mut registry = three();
        let ticket = registry.shared(A, MAIN);
        leave(&mut registry, ticket);
        // Not what it was before: that may be auto, which hands out the plain pool.
        assert_eq!(registry.mode(MAIN), Mode::Manual, "{how}");
        assert_eq!(own_modes(&registry), [(MAIN, Mode::Manual)], "{how}");
        registry.shared(B, MAIN);
    }
}

#[test]
fn a_repo_stays_shared_when_somebody_else_leaves_or_its_owner_leaves_another() {
    let mut registry = three();
    let shared = registry.shared(A, MAIN);
    let own = registry.opened(B, MAIN);
    assert!(registry.take(B, MAIN, own));
    registry.end(B);
    let failed = registry.opened(C, MAIN);
    assert!(registry.not_opened(C, MAIN, failed));
    let other = registry.opened(A, PG);
    assert!(registry.take(A, PG, other));
    // Neither a ticket of somebody else's nor an heir takes it away.
    assert!(!registry.take(A, MAIN, own));
    assert!(!registry.not_opened(A, MAIN, own));
    assert_eq!(registry.checkin(A, Role::Heir, MAIN).1, None);
    assert_eq!(registry.mode(MAIN), Mode::Shared(A));
    assert_eq!(registry.use_of(A, MAIN), Use::Open(shared));
}

#[test]
fn an_end_lists_the_repos_that_are_manual_by_it() {
    let mut registry = three();
    registry.shared(A, MAIN);
    registry.shared(A, LEDGER);
    registry.shared(B, PG);
    let (_, end) = registry.end(A).unwrap();
    assert_eq!(end.reverted, [MAIN, LEDGER]);
    assert!(!end.was_everywhere);
    assert_eq!(registry.mode(PG), Mode::Shared(B));
}

#[test]
fn what_is_shared_everywhere_is_shared_on_every_repo_and_then_as_it_was() {
    let mut registry = three();
    registry.suite_starts();
    let b = registry.opened(B, MAIN);
    let (answer, _) = registry.set_mode(PG, Mode::Auto, Role::Owner);
    assert_eq!(answer, ModeChange::Ok);
    registry.share_everywhere(A);
    assert_eq!(registry.mode(MAIN), Mode::Shared(A));
    assert_eq!(registry.mode(LEDGER), Mode::Shared(A));
    assert_eq!(registry.mode(PG), Mode::Shared(A));
    assert_eq!(own_modes(&registry), []);
    // No repo's mode was set: nobody loses a session.
    assert_eq!(registry.use_of(B, MAIN), Use::Open(b));
    // One at a time.
    registry.share_everywhere(B);
    assert_eq!(registry.mode(MAIN), Mode::Shared(A));
    let (answer, _) = registry.set_mode(LEDGER, Mode::Auto, Role::Owner);
    assert_eq!(answer, ModeChange::Ok);
    assert_eq!(own_modes(&registry), [(LEDGER, Mode::Auto)]);
    registry.end(A);
    assert_eq!(registry.mode(MAIN), Mode::Manual);
    assert_eq!(own_modes(&registry), [(PG, Mode::Auto)]);
}

#[test]
fn what_is_shared_everywhere_is_so_until_the_owner_ends() {
    for (suite, after) in [(true, Mode::Manual), (false, Mode::Auto)] {
        let mut registry = three();
        if suite {
            registry.suite_starts();
        }
        registry.share_everywhere(A);
        registry.opened(A, MAIN);
        // Uses by others fail from here on, and are not led to an empty session or the plain pool.
        registry.gave_back(A, MAIN);
        assert_eq!(registry.mode(MAIN), Mode::Shared(A));
        assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
        registry.end(B);
        assert_eq!(registry.mode(MAIN), Mode::Shared(A));
        let (_, end) = registry.end(A).unwrap();
        assert!(end.was_everywhere);
        assert_eq!(end.reverted, []);
        assert_eq!(registry.mode(MAIN), after);
    }
}

#[test]
fn an_owner_that_has_ended_shares_nothing() {
    let mut registry = three();
    registry.end(A);
    registry.share_everywhere(A);
    assert_eq!(registry.mode(MAIN), Mode::Auto);
    // Nor does it take away what another one shares.
    registry.share_everywhere(B);
    registry.share_everywhere(A);
    assert_eq!(registry.mode(MAIN), Mode::Shared(B));
}

#[test]
fn a_repo_that_is_shared_by_being_everywhere_has_the_same_rules() {
    let mut registry = three();
    registry.suite_starts();
    registry.share_everywhere(A);
    registry.opened(B, MAIN);
    let refused = (ModeChange::AlreadyShared, NOBODY);
    assert_eq!(change(&mut registry, Mode::Shared(B)), refused);
    let again = change(&mut registry, Mode::Shared(A));
    assert_eq!(again, (ModeChange::Ok, NOBODY));
    assert_eq!(own_modes(&registry), [(MAIN, Mode::Shared(A))]);
    // Now it is the repo's own, so it is one of those that the end sets back.
    let (_, end) = registry.end(A).unwrap();
    assert_eq!((end.reverted, end.was_everywhere), (vec![MAIN], true));
    assert_eq!(registry.mode(MAIN), Mode::Manual);
}

#[test]
fn a_repo_may_be_taken_out_of_what_is_shared_everywhere() {
    let mut registry = three();
    registry.share_everywhere(A);
    let a = registry.opened(A, MAIN);
    let answer = change(&mut registry, Mode::Manual);
    assert_eq!(answer, (ModeChange::Ok, vec![evicted(A, a)]));
    assert_eq!(registry.mode(MAIN), Mode::Manual);
    assert_eq!(registry.mode(PG), Mode::Shared(A));
}
