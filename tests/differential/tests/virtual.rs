//! A test's virtual connections compared with a real session: the same rows, errors, tags and states, frame by frame.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use heirloom::{Sandbox, Test, sandboxed};
use heirloom_differential::{
    Asked, Endpoint, SeveralPlan, check_barred, database, run, run_several,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// They make the same schema, in the same database: one would wait for the other's end, and for no longer than the limit
/// of a lock.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn candidate(sandbox: &Sandbox) -> Endpoint {
    Endpoint::from_url(&sandbox.database_url().await.unwrap()).unwrap()
}

/// What cannot be the same on connections that share a session: see the README's limits.
const NOT_VIRTUAL: [&str; 4] = ["catalog", "custom", "hold", "pg_notify"];

#[sandboxed]
async fn one_connection_is_as_on_a_real_server(sandbox: Sandbox) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut plan = support::plan();
    plan.without.extend(NOT_VIRTUAL.map(str::to_owned));
    let server = support::server();
    let name = format!("heirloom-differential-real-{}", std::process::id());
    let reference = database::make(&server, &name).await.unwrap();
    let report = run(&reference, &candidate(&sandbox).await, &plan).await;
    database::drop(&server, &name).await.unwrap();
    let report = report.unwrap();
    println!("{report}");
    assert!(report.differences.is_empty(), "{report}");
    assert!(report.statements > 0);
}

/// What the rules lose fails the test that lost it: that this is said, is looked for as well.
#[test]
fn several_connections_are_as_the_documented_rules_say() {
    let plan = SeveralPlan {
        seed: support::plan().seed,
        ..SeveralPlan::default()
    };
    let report = Arc::new(Mutex::new(None));
    let out = Arc::clone(&report);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        Test::here("several").run(|sandbox: Sandbox| async move {
            let _alone = ONE_AT_A_TIME.lock().await;
            let done = run_several(&candidate(&sandbox).await, &plan).await;
            *out.lock().unwrap() = Some(done.unwrap());
            Ok(())
        })
    }));
    let report = report.lock().unwrap().take().expect("it ran");
    assert!(report.wrong.is_none(), "{report}");
    assert!(report.steps > 0);
    let said = match ran {
        Ok(_) => String::new(),
        Err(panic) => *panic.downcast::<String>().expect("a text"),
    };
    assert_eq!(
        report.lost > 0,
        said.contains("a server would have kept it"),
        "{said}"
    );
}

#[sandboxed]
async fn what_cannot_be_in_a_transaction_is_refused(sandbox: Sandbox) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let patience = Duration::from_secs(30);
    let wrong = check_barred(&candidate(&sandbox).await, Asked::Everywhere, patience)
        .await
        .unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
