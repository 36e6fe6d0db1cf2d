//! A server compared with itself does not differ, whatever is sent: else the comparison would blame a candidate for it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use heirloom_differential::run;

#[test]
fn a_real_server_behaves_like_itself() {
    let plan = support::plan();
    let report = support::with_databases("itself", |reference, candidate| async move {
        run(&reference, &candidate, &plan).await.unwrap()
    });
    println!("{report}");
    assert!(report.differences.is_empty(), "{report}");
    assert!(report.statements > 0);
}
