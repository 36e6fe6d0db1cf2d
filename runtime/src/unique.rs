//! Words that no other test has.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A word that begins like this and that nobody has had before: no test of this process, and none of any other.
///
/// For what has to be unique in a database, such as an email address. Two tests that insert the same unique key wait for
/// each other on PostgreSQL, until the first of them has ended: the server cannot know that it will be rolled back.
///
/// Up to 20 small letters and digits follow the prefix: 8 of them at random for the process, and a number. It is as unique
/// as 40 random bits are, among processes that use the same database at the same time; within one process always.
///
/// ```
/// let (ada, bob) = (heirloom::unique("guest"), heirloom::unique("guest"));
/// assert_ne!(ada, bob);
/// let email = format!("{ada}@example.org");
/// # assert!(email.starts_with("guest"));
/// ```
///
/// # Panics
///
/// When the operating system hands out no random bytes.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static PROCESS: LazyLock<String> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the operating system hands out random bytes");
        word(u128::from(u64::from_ne_bytes(bytes) % (1 << 40)), 8)
    });
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    // Of fixed length, the process's part cannot run into the number.
    format!("{prefix}{}{}", *PROCESS, word(number, 1))
}

/// A number in letters and digits, at least so many of them.
pub(crate) fn word(mut number: u128, least: usize) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut word = String::new();
    while number > 0 || word.len() < least {
        word.push(char::from(DIGITS[(number % 32) as usize]));
        number /= 32;
    }
    word
}
