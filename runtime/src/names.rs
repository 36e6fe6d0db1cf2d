//! Names for the outside world that no two owners have in common.

use crate::context;
use crate::owner::{DIRECTORY, Owner};
use crate::unique::word;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// What a bucket's name, and one part of a host's, may have at most.
const LONGEST: usize = 63;

/// Five bits each: 80 bits, of which two are the same once in 10¹² names.
const SUFFIX: usize = 16;

/// The current owner's own name for something outside of the database: a topic, a channel, a cache key, a file, a bucket.
/// In production it is the name itself.
///
/// Two tests that publish to `entries` get each other's messages, whatever database each has. With
/// `scoped_name("entries")` in its place, each test has a topic of its own, and the application still has `entries`:
///
/// ```
/// let topic = heirloom::scoped_name("entries");
/// # #[cfg(feature = "sandbox")]
/// # heirloom::Test::here("example").run(|_: heirloom::Sandbox| async move {
/// # assert!(heirloom::scoped_name("entries").starts_with("entries-"));
/// # Ok(()) });
/// # assert_eq!(topic, "entries");
/// ```
///
/// The owner is looked up when this is called. The same owner gets the same name for the same word, from wherever it asks;
/// any two owners get different ones, also those of different processes and runs, and so do different words. It tells
/// nothing of the owner's token.
///
/// **Shape.** For an owner `<word>-<16 small letters and digits>`, with small letters, digits and `-` only, beginning and
/// ending with a letter or digit, at most 63 bytes: what S3 takes for a bucket, DNS for a label, and every file system for
/// a file. Other characters of the word become `-`, capitals become small, and of a long word the beginning stays; that
/// words which look alike after that differ, is what the digits see to. In production nothing of this is done: there a
/// word must be fit for its purpose by itself.
///
/// **Nobody's code** gets the word itself, as in production: a server outside test suites, whose requests may have owners,
/// as well as a task in a suite that has lost its owner, which then meets others of its kind. While a test with
/// `shared = true` runs, nobody's code is that test's, here too.
///
/// In a loop over many words take [`Owner::scoped_name`], which looks for no owner.
#[must_use]
pub fn scoped_name(name: &str) -> Cow<'_, str> {
    let owner = context::current()
        .or_else(|| DIRECTORY.read(|registry| registry.shared_everywhere().cloned()));
    owner.map_or(Cow::Borrowed(name), |owner| owner.scoped_name(name).into())
}

impl Owner {
    /// This owner's own name for something outside of the database; see [`scoped_name`](crate::scoped_name()).
    ///
    /// It stays the same when the owner has ended, so that what it left behind can be found and removed.
    #[must_use]
    pub fn scoped_name(&self, name: &str) -> String {
        let mut scoped = readable(name);
        if !scoped.is_empty() {
            scoped.push('-');
        }
        scoped.push_str(&suffix(self, name));
        scoped
    }
}

/// As much of a name as may stand in front: words of small letters and digits, a `-` between any two.
fn readable(name: &str) -> String {
    let mut readable = String::new();
    let words = name.split(|char: char| !char.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        if !readable.is_empty() {
            readable.push('-');
        }
        readable.push_str(word);
        if readable.len() > LONGEST {
            break;
        }
    }
    readable.truncate(LONGEST - SUFFIX - 1);
    readable.truncate(readable.trim_end_matches('-').len());
    readable.make_ascii_lowercase();
    readable
}

/// Of the token and the whole name. Nobody gets from it to the token, and it is of no use as one.
fn suffix(owner: &Owner, name: &str) -> String {
    let mut hash = Sha256::new();
    hash.update("heirloom scoped name");
    hash.update(owner.token().to_string());
    hash.update(name);
    let digest = hash.finalize();
    let bits = digest.iter().take(10);
    let bits = bits.fold(0, |bits, byte| bits << 8 | u128::from(*byte));
    word(bits, SUFFIX)
}
