//! Sessions: taken, used, given back, taken away.

use super::super::{Checkin, Checkout, Evicted, Role, Ticket, Use};
use super::{A, B, C, LEDGER, MAIN, PG, Tested, three};

#[test]
fn the_first_checkout_opens_a_session_and_the_second_finds_it() {
    let mut registry = three();
    let ticket = registry.checked_out(A, MAIN);
    let again = registry.checkout(A, Role::Owner, MAIN);
    assert_eq!(again, Some((Checkout::AlreadyOwner, Some(ticket))));
    assert_eq!(registry.use_of(A, MAIN), Use::Open(ticket));
}

#[test]
fn a_checkout_finds_what_a_use_has_opened() {
    let mut registry = three();
    let ticket = registry.opened(A, MAIN);
    let found = registry.checkout(A, Role::Owner, MAIN);
    assert_eq!(found, Some((Checkout::AlreadyOwner, Some(ticket))));
}

#[test]
fn an_heir_is_already_allowed_and_opens_nothing() {
    let mut registry = three();
    let heir = registry.checkout(A, Role::Heir, MAIN);
    assert_eq!(heir, Some((Checkout::AlreadyAllowed, None)));
    let ticket = registry.opened(A, MAIN);
    let heir = registry.checkout(A, Role::Heir, MAIN);
    assert_eq!(heir, Some((Checkout::AlreadyAllowed, Some(ticket))));
    registry.gave_back(A, MAIN);
    let heir = registry.checkout(A, Role::Heir, MAIN);
    assert_eq!(heir, Some((Checkout::AlreadyAllowed, None)));
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
}

#[test]
fn every_owner_has_its_own_session_on_every_repo() {
    let mut registry = three();
    let mut tickets = Vec::new();
    for id in [A, B, C] {
        for repo in [MAIN, PG, LEDGER] {
            tickets.push(registry.opened(id, repo));
        }
    }
    tickets.sort();
    tickets.dedup();
    assert_eq!(tickets.len(), 9);
    registry.gave_back(B, MAIN);
    assert_eq!(registry.ticket(B, MAIN), None);
    for (id, repo) in [(A, MAIN), (C, MAIN), (B, PG), (B, LEDGER)] {
        assert!(registry.ticket(id, repo).is_some(), "{id} on {repo:?}");
    }
}

#[test]
fn a_ticket_is_never_used_again() {
    let mut registry = three();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(registry.checked_out(A, MAIN));
        registry.gave_back(A, MAIN);
    }
    registry.end(A);
    registry.start(A, A);
    seen.push(registry.opened(A, MAIN));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn checkin_gives_the_session_back_once() {
    let mut registry = three();
    let nothing = (Checkin::NotFound, None);
    assert_eq!(registry.checkin(A, Role::Owner, MAIN), nothing);
    let ticket = registry.opened(A, MAIN);
    let given_back = registry.checkin(A, Role::Owner, MAIN);
    assert_eq!(given_back, (Checkin::Ok, Some(ticket)));
    assert_eq!(registry.checkin(A, Role::Owner, MAIN), nothing);
}

#[test]
fn only_the_owner_gives_its_session_back() {
    let mut registry = three();
    let refused = (Checkin::NotOwner, None);
    assert_eq!(registry.checkin(A, Role::Heir, MAIN), refused);
    let ticket = registry.opened(A, MAIN);
    assert_eq!(registry.checkin(A, Role::Heir, MAIN), refused);
    assert_eq!(registry.use_of(A, MAIN), Use::Open(ticket));
}

#[test]
fn the_first_use_opens_and_the_next_finds_it_open() {
    let mut registry = three();
    let ticket = registry.opened(A, MAIN);
    assert_eq!(registry.use_of(A, MAIN), Use::Open(ticket));
}

#[test]
fn what_was_given_back_comes_back_only_by_a_checkout() {
    let mut registry = three();
    let first = registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
    let second = registry.checked_out(A, MAIN);
    assert_ne!(second, first);
    assert_eq!(registry.use_of(A, MAIN), Use::Open(second));
    // And a second time the same.
    registry.gave_back(A, MAIN);
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
}

#[test]
fn what_was_taken_away_comes_back_only_by_a_checkout() {
    let mut registry = three();
    let ticket = registry.opened(A, MAIN);
    assert!(registry.take(A, MAIN, ticket));
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
    let back = registry.checkin(A, Role::Owner, MAIN);
    assert_eq!(back, (Checkin::NotFound, None));
    registry.checked_out(A, MAIN);
}

#[test]
fn an_old_ticket_takes_nothing() {
    let mut registry = three();
    let first = registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    assert!(!registry.take(A, MAIN, first), "given back already");
    let second = registry.checked_out(A, MAIN);
    assert!(!registry.take(A, MAIN, first), "of the one before");
    let others = registry.opened(B, MAIN);
    assert!(!registry.take(A, MAIN, others), "another owner's");
    assert!(!registry.take(A, PG, second), "another repo's");
    assert_eq!(registry.use_of(A, MAIN), Use::Open(second));
    assert_eq!(registry.use_of(B, MAIN), Use::Open(others));
    assert!(registry.take(A, MAIN, second));
    assert!(!registry.take(A, MAIN, second), "taken already");
}

#[test]
fn what_could_not_be_opened_is_opened_by_the_next_use() {
    let mut registry = three();
    let first = registry.opened(A, MAIN);
    assert!(registry.not_opened(A, MAIN, first));
    assert!(!registry.not_opened(A, MAIN, first));
    assert_eq!(registry.ticket(A, MAIN), None);
    let back = registry.checkin(A, Role::Owner, MAIN);
    assert_eq!(back, (Checkin::NotFound, None));
    assert_ne!(registry.opened(A, MAIN), first);
}

/// Whoever asked for a new session knows that what was in the first is gone.
#[test]
fn a_checkout_that_failed_is_made_up_for_by_the_next_use_even_after_a_checkin() {
    let mut registry = three();
    registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    let ticket = registry.checked_out(A, MAIN);
    assert!(registry.not_opened(A, MAIN, ticket));
    registry.opened(A, MAIN);
}

#[test]
fn an_old_ticket_does_not_undo_a_newer_checkout() {
    let mut registry = three();
    let first = registry.opened(A, MAIN);
    registry.gave_back(A, MAIN);
    assert!(!registry.not_opened(A, MAIN, first), "given back already");
    assert_eq!(registry.use_of(A, MAIN), Use::GivenBack);
    let second = registry.checked_out(A, MAIN);
    assert!(!registry.not_opened(A, MAIN, first), "of the one before");
    assert_eq!(registry.use_of(A, MAIN), Use::Open(second));
}

#[test]
fn an_end_hands_out_the_open_sessions() {
    let mut registry = three();
    let main = registry.opened(A, MAIN);
    let ledger = registry.opened(A, LEDGER);
    registry.opened(A, PG);
    registry.gave_back(A, PG);
    registry.opened(B, MAIN);
    let (kept, end) = registry.end(A).unwrap();
    assert_eq!(kept, A);
    let evicted = |repo, ticket| Evicted {
        owner: A,
        repo,
        ticket,
    };
    assert_eq!(end.evicted, [evicted(MAIN, main), evicted(LEDGER, ledger)]);
    assert_eq!(end.reverted, []);
    assert!(!end.was_everywhere);
    assert_eq!(end.lost, []);
    assert!(registry.ticket(B, MAIN).is_some());
}

#[test]
fn an_owner_that_has_ended_has_nothing_and_gets_nothing() {
    let mut registry = three();
    let ticket = registry.opened(A, MAIN);
    assert!(registry.end(A).is_some());
    assert_eq!(registry.end(A), None);
    assert_eq!(registry.use_of(A, MAIN), Use::Ended);
    for role in [Role::Owner, Role::Heir, Role::Allowed] {
        assert_eq!(registry.checkout(A, role, MAIN), None);
        let back = registry.checkin(A, role, MAIN);
        assert_eq!(back, (Checkin::NotFound, None));
    }
    assert!(!registry.take(A, MAIN, ticket));
    assert!(!registry.not_opened(A, MAIN, ticket));
    assert_eq!(registry.owner(A), None);
    let running: Vec<_> = registry.owners().map(|(id, _)| id).collect();
    assert_eq!(running, [B, C]);
}

#[test]
fn owners_are_listed_oldest_first() {
    let mut registry = Tested::new();
    assert_eq!(registry.owners().len(), 0);
    for id in [B, A, C] {
        registry.start(id, id);
    }
    let owners: Vec<_> = registry.owners().map(|(id, kept)| (id, *kept)).collect();
    assert_eq!(owners, [(A, A), (B, B), (C, C)]);
    assert_eq!(registry.owner(B), Some(&B));
}

#[test]
fn nothing_is_known_of_an_owner_that_never_started() {
    let mut registry = Tested::new();
    assert_eq!(registry.use_of(A, MAIN), Use::Ended);
    assert_eq!(registry.checkout(A, Role::Owner, MAIN), None);
    assert!(!registry.take(A, MAIN, Ticket(1)));
    assert_eq!(registry.end(A), None);
}
