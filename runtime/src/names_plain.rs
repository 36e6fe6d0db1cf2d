//! In production a name is itself.

use std::borrow::Cow;

/// The name itself: only tests need names of their own.
///
/// ```
/// assert_eq!(heirloom::scoped_name("entries"), "entries");
/// ```
#[must_use]
pub fn scoped_name(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}
