//! Sessions that are opened, used and ended in a loop take no memory that grows. A program of its own: only one test can ask
//! how much a process has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(dead_code, reason = "it shares its server with another program")]

mod http;
#[path = "http_sessions/server.rs"]
mod server;

use ::http::StatusCode;
use server::{ADA, Session, production, routes};

/// What is resident, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

async fn sessions(app: &axum::Router, count: usize) {
    for _ in 0..count {
        let session = Session::open(app).await;
        assert_eq!(session.sign_up(app, ADA).await, StatusCode::CREATED);
        assert_eq!(session.delete(app).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_that_opens_and_ends_sessions_in_a_loop_takes_no_more_and_more_memory() {
    production().await;
    let app = server::server(routes());
    // More than the ended ones that are remembered, so that those are there.
    sessions(&app, 1200).await;
    let before = resident();
    let count = 2000;
    sessions(&app, count).await;
    let more = resident().saturating_sub(before);
    println!("{before} KiB, and {more} KiB more after {count} sessions");
    // 1 KiB of each would be 2,000. What the allocator does by itself was 0 to 300.
    assert!(more < 1500, "{more} KiB more than {before}");
    assert!(heirloom::inspect().owners.is_empty());
}
