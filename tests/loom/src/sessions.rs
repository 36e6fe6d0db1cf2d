//! Sessions while the mode of their repo changes.

use crate::owner::OwnerId;
use crate::owner::gate::Gate;
use crate::owner::registry::{Checkout, Evicted, Mode, ModeChange, Role, Ticket, Use};
use crate::{A, B, Directory, MAIN, join, opens, two, writes};
use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};

fn shares(directory: &Arc<Directory>, id: OwnerId) -> JoinHandle<(ModeChange, Vec<Evicted>)> {
    writes(directory, move |registry| {
        registry.set_mode(MAIN, Mode::Shared(id), Role::Owner)
    })
}

/// And says what session A had just before.
fn turns_manual(directory: &Arc<Directory>) -> JoinHandle<(Option<Ticket>, Vec<Evicted>)> {
    writes(directory, |registry| {
        // An heir's checkout opens nothing.
        let before = registry.checkout(A, Role::Heir, MAIN);
        let (answer, evicted) = registry.set_mode(MAIN, Mode::Manual, Role::Owner);
        assert_eq!(answer, ModeChange::Ok);
        (before.and_then(|(_, ticket)| ticket), evicted)
    })
}

fn use_of(directory: &Directory, id: OwnerId) -> Use {
    directory.write(|registry| registry.use_of(id, MAIN))
}

/// Either the change came later and took the session away, or the session is one of after the change.
fn is_evicted_or_open(
    directory: &Directory,
    (before, evicted): &(Option<Ticket>, Vec<Evicted>),
    ticket: Ticket,
) {
    let taken = before.map(|ticket| Evicted {
        owner: A,
        repo: MAIN,
        ticket,
    });
    assert_eq!(*evicted, Vec::from_iter(taken));
    let expected = match before {
        Some(before) => {
            assert_eq!(*before, ticket);
            Use::GivenBack
        }
        None => Use::Open(ticket),
    };
    assert_eq!(use_of(directory, A), expected);
}

/// A session that was evicted is never open.
pub fn a_checkout_races_with_a_mode_change() {
    loom::model(|| {
        let directory = two();
        let checkout = writes(&directory, |registry| {
            registry.checkout(A, Role::Owner, MAIN)
        });
        let change = turns_manual(&directory);
        let change = join(change);
        let Some((Checkout::New, Some(ticket))) = join(checkout) else {
            panic!("it had none and runs");
        };
        is_evicted_or_open(&directory, &change, ticket);
    });
}

/// The same for a first use; and of several that use it at once, one opens it.
pub fn first_uses_race_with_a_mode_change() {
    loom::model(|| {
        let directory = two();
        let uses = [(); 2].map(|()| writes(&directory, |registry| registry.use_of(A, MAIN)));
        let change = turns_manual(&directory);
        let change = join(change);
        let mut uses = uses.map(join);
        uses.sort_by_key(|found| !matches!(found, Use::Opens(_)));
        let Use::Opens(ticket) = uses[0] else {
            panic!("one of them is the first");
        };
        match uses[1] {
            Use::Open(same) => assert_eq!(same, ticket),
            Use::GivenBack => assert_eq!(change.0, Some(ticket)),
            other @ (Use::Opens(_) | Use::Ended) => panic!("the second finds {other:?}"),
        }
        is_evicted_or_open(&directory, &change, ticket);
    });
}

/// As the rooms above do it: whoever uses a session goes through its gate, and whoever evicts it closes that. A user that
/// goes in is known to the one who evicts, or is never evicted.
pub fn nobody_is_inside_an_evicted_session_unseen() {
    loom::model(|| {
        let directory = two();
        let gate: Arc<Gate<Vec<u8>, u8>> = Arc::new(Gate::open());
        let using = {
            let (directory, gate) = (Arc::clone(&directory), Arc::clone(&gate));
            spawn(move || match use_of(&directory, A) {
                Use::Opens(_) => gate.enter(1).is_ok(),
                other => panic!("the first use finds {other:?}"),
            })
        };
        let evicting = {
            let (directory, gate) = (Arc::clone(&directory), Arc::clone(&gate));
            spawn(move || {
                let change =
                    |mode| directory.write(|registry| registry.set_mode(MAIN, mode, Role::Heir));
                let (_, evicted) = change(Mode::Manual);
                (!evicted.is_empty())
                    .then(|| gate.close(|inside, _| inside))
                    .flatten()
            })
        };
        match (join(using), join(evicting)) {
            (true, Some(inside)) => assert_eq!(inside, [1]),
            (false, Some(inside)) => assert_eq!(inside, [0; 0]),
            (entered, None) => {
                assert!(entered);
                assert!(matches!(use_of(&directory, A), Use::Open(_)));
            }
        }
    });
}

/// One of two that take a session away has taken it: the owner, or whoever held its ticket too long.
pub fn a_checkin_races_with_a_timeout_and_a_new_checkout() {
    loom::model(|| {
        let directory = two();
        opens(&directory, A);
        let Use::Open(old) = use_of(&directory, A) else {
            panic!("it was just opened");
        };
        let timeout = writes(&directory, move |registry| registry.take(A, MAIN, old));
        let again = writes(&directory, |registry| {
            let (_, back) = registry.checkin(A, Role::Owner, MAIN);
            (back, registry.checkout(A, Role::Owner, MAIN))
        });
        let (taken, (back, checkout)) = (join(timeout), join(again));
        assert_eq!(back, (!taken).then_some(old));
        let Some((Checkout::New, Some(new))) = checkout else {
            panic!("it had none and runs");
        };
        // What was meant for the old one does not hit the new one.
        assert_eq!(use_of(&directory, A), Use::Open(new));
    });
}

/// One shares its session, the other is refused and loses its own.
pub fn two_owners_share_one_repo() {
    loom::model(|| {
        let directory = two();
        opens(&directory, A);
        opens(&directory, B);
        let sharing = [A, B].map(|id| shares(&directory, id));
        // Whatever is seen meanwhile is one of the steps.
        let seen = directory.read(|registry| registry.mode(MAIN));
        let [first, second] = sharing.map(join);
        let (winner, loser) = match (first.0, second.0) {
            (ModeChange::Ok, ModeChange::AlreadyShared) => (A, B),
            (ModeChange::AlreadyShared, ModeChange::Ok) => (B, A),
            other => panic!("one wins: {other:?}"),
        };
        let evicted: Vec<_> = first
            .1
            .iter()
            .chain(&second.1)
            .map(|one| one.owner)
            .collect();
        assert_eq!(evicted, [loser]);
        let mode = directory.read(|registry| registry.mode(MAIN));
        assert_eq!(mode, Mode::Shared(winner));
        assert!(seen == Mode::Auto || seen == mode);
        assert_eq!(use_of(&directory, loser), Use::GivenBack);
        assert!(matches!(use_of(&directory, winner), Use::Open(_)));
    });
}

/// The same while one of them ends: what it shared is manual, and whoever lost its session to it cannot share that.
pub fn two_owners_share_one_repo_while_one_ends() {
    loom::model(|| {
        let directory = two();
        opens(&directory, A);
        opens(&directory, B);
        let [a, b] = [A, B].map(|id| shares(&directory, id));
        let ending = writes(&directory, |registry| {
            registry.end(A).map(|(_, end)| end.reverted)
        });
        let ((a, _), (b, evicted)) = (join(a), join(b));
        let reverted = join(ending).expect("it had not ended before");
        let mode = directory.read(|registry| registry.mode(MAIN));
        match (a, b) {
            // A shared it, and has ended since; B had lost its session and asked before or after that end.
            (ModeChange::Ok, ModeChange::AlreadyShared | ModeChange::NotFound) => {
                assert_eq!((reverted.as_slice(), mode), (&[MAIN][..], Mode::Manual));
                assert_eq!(use_of(&directory, B), Use::GivenBack);
            }
            // B shares it: A came too late, or was gone.
            (ModeChange::AlreadyShared, ModeChange::Ok) => {
                assert_eq!((reverted.len(), mode), (0, Mode::Shared(B)));
            }
            (ModeChange::NotFound, ModeChange::Ok) => {
                assert_eq!((reverted.len(), mode), (0, Mode::Shared(B)));
                assert_eq!(evicted, [], "its end gave its session back");
            }
            other => panic!("one wins: {other:?}"),
        }
    });
}
