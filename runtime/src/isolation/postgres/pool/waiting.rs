//! Waiting for a session: for how long, and saying so.

use super::{Pool, Who};
use std::future::Future;
use std::io::{self, Write as _};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// After this long somebody who waits says so.
const A_WHILE: Duration = Duration::from_secs(5);

/// What is waited for; `None` when the patience is at its end.
pub(super) async fn patiently<T>(
    pool: &Pool,
    who: &Who,
    what: impl Future<Output = T>,
) -> Option<T> {
    let mut what = pin!(what);
    let first = who.patience.min(A_WHILE);
    if let Ok(found) = timeout(first, &mut what).await {
        return Some(found);
    }
    let rest = who.patience.saturating_sub(first);
    if rest.is_zero() {
        return None;
    }
    say(&text(who, pool.bound, &pool.holders()));
    timeout(rest, what).await.ok()
}

fn text(who: &Who, bound: usize, holders: &[String]) -> String {
    let mut text = format!(
        "heirloom: `{}` has been waiting for {A_WHILE:?} for a session with PostgreSQL; this process has {} of at most {bound}\n",
        who.name,
        holders.len(),
    );
    for holder in holders {
        text.push_str("  held by ");
        text.push_str(holder);
        text.push('\n');
    }
    text
}

/// Past libtest, which keeps what a test prints until the test ends, and past a subscriber's filter.
fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_names_who_waits_and_for_whom() {
        let who = Who {
            name: "shop::sells".to_owned(),
            patience: Duration::MAX,
        };
        let said = text(&who, 2, &["`shop::buys`, for 6.0s".to_owned()]);
        assert_eq!(
            said,
            "heirloom: `shop::sells` has been waiting for 5s for a session with PostgreSQL; this process has 1 of at most 2\n  held by `shop::buys`, for 6.0s\n"
        );
    }
}
