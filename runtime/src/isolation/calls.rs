//! How long calls have been under way, as it is told to a person.

use std::time::Duration;

/// How long something has lasted, as nobody needs it more precisely.
pub(super) fn lasting(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    format!("{:.1} s", time.as_secs_f64())
}
