//! How calls that are under way are told to a person.

use std::time::Duration;

/// The beginning of a statement, in one line.
pub(super) fn shortened(statement: &str) -> Option<String> {
    const SHOWN: usize = 120;
    let words: Vec<_> = statement.split_whitespace().collect();
    let line = words.join(" ");
    if line.is_empty() {
        return None;
    }
    if line.chars().count() <= SHOWN {
        return Some(line);
    }
    Some(line.chars().take(SHOWN).chain("..".chars()).collect())
}

/// How long something has lasted, as nobody needs it more precisely.
pub(super) fn lasting(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    format!("{:.1} s", time.as_secs_f64())
}
