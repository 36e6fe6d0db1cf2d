//! Who is inside when a gate closes.

use crate::join;
use crate::owner::gate::{Gate, Pass};
use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};

/// Users are numbers; a gate is closed because of those inside and the last who entered.
type Why = (Vec<u8>, Option<u8>);

type Numbered = Gate<Why, u8>;

fn gate() -> Arc<Numbered> {
    Arc::new(Gate::open())
}

fn enters(gate: &Arc<Numbered>, user: u8) -> JoinHandle<Result<Pass, Why>> {
    let gate = Arc::clone(gate);
    spawn(move || gate.enter(user))
}

/// Whoever is not refused is known to the one who closes.
pub fn entering_races_with_closing() {
    loom::model(|| {
        let gate = gate();
        let users = [1, 2].map(|user| (user, enters(&gate, user)));
        let why = gate.close(|inside, last| (inside, last));
        let why = why.expect("nobody else closes it");
        for (user, entering) in users {
            match join(entering) {
                Ok(_) => assert!(why.0.contains(&user)),
                Err(refusal) => {
                    assert_eq!(refusal, why);
                    assert!(!why.0.contains(&user));
                }
            }
        }
        // Entering comes in some order, and the last of it is inside as nobody leaves.
        assert_eq!(why.1, why.0.last().copied());
        assert_eq!(gate.closed(), Some(why));
    });
}

/// Whoever has left is not inside, but may still be the last who entered.
pub fn leaving_races_with_closing() {
    loom::model(|| {
        let gate = gate();
        let stays = gate.enter(1);
        assert!(stays.is_ok());
        let passing = {
            let gate = Arc::clone(&gate);
            spawn(move || {
                let pass = gate.enter(2);
                pass.map(|pass| gate.leave(&pass)).is_ok()
            })
        };
        let (inside, last) = gate
            .close(|inside, last| (inside, last))
            .expect("nobody else closes it");
        let entered = join(passing);
        assert!(inside == [1] || inside == [1, 2]);
        if inside == [1, 2] {
            assert!(entered);
        }
        assert_eq!(last, Some(if entered { 2 } else { 1 }));
        // Leaving works at a closed gate too: whoever waits for the last one to go must see it go.
        assert_eq!(gate.users(), (vec![1], last));
    });
}

/// One reason stands, and only who gave it is told that it closed the gate.
pub fn two_close_one_gate() {
    loom::model(|| {
        let gate: Arc<Gate<u8, u8>> = Arc::new(Gate::open());
        let closers = [1, 2].map(|reason| {
            let gate = Arc::clone(&gate);
            spawn(move || gate.close(|_, _| reason))
        });
        let seen = gate.closed();
        let entered = gate.enter(3);
        let answers = closers.map(join);
        let stays = gate.closed();
        assert!(answers == [Some(1), None] || answers == [None, Some(2)]);
        assert_eq!(stays, answers[0].or(answers[1]));
        // What was seen of it before does not change.
        assert!(seen.is_none() || seen == stays);
        assert!(seen.is_none() || entered.is_err());
        assert!(entered.is_ok() || entered == Err(stays.expect("it is closed")));
    });
}
