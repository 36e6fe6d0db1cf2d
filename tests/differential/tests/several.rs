//! The model of several connections against a server: alone, each connection of a server is as the model says; several are
//! not, as they do not see what the others have not committed.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use heirloom_differential::{Asked, SeveralPlan, check_barred, run_several};
use std::time::Duration;

#[test]
fn one_connection_of_a_real_server_is_as_the_model_says() {
    let plan = SeveralPlan {
        seed: support::plan().seed,
        parties: 1,
        steps: 1_000,
        ..SeveralPlan::default()
    };
    let report = support::with_databases("alone", |server, _| async move {
        run_several(&server, &plan).await.unwrap()
    });
    assert!(report.wrong.is_none(), "{report}");
    assert!(report.steps >= 1_000);
    assert_eq!(report.lost, 0);
}

#[test]
fn several_connections_of_a_real_server_are_not() {
    let plan = SeveralPlan {
        seed: 1,
        // They may wait for each other's locks, too.
        patience: Duration::from_secs(2),
        shrinking: Duration::ZERO,
        ..SeveralPlan::default()
    };
    let report = support::with_databases("several", |server, _| async move {
        run_several(&server, &plan).await.unwrap()
    });
    assert!(report.wrong.is_some(), "{report}");
}

#[test]
fn a_real_server_refuses_in_a_transaction_what_the_candidate_has_to() {
    let patience = Duration::from_secs(30);
    let wrong = support::with_databases("barred", |server, _| async move {
        check_barred(&server, Asked::InTransactions, patience)
            .await
            .unwrap()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
