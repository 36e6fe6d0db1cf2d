//! What a client says of the session that it wants: a small JSON object, or nothing.

use serde_json::{Map, Value};
use std::time::Duration;

/// How large it may be, in bytes.
pub(super) const LARGEST: usize = 4096;

/// For how long a client may wish a session, if the routes themselves do not give more.
const LONGEST: Duration = Duration::from_hours(1);

/// The name's, in bytes.
const LONGEST_NAME: usize = 200;

/// As wished. What is not said is as the routes say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) sliding: Option<bool>,
}

impl Wish {
    /// Reads it; `usual` is what the routes give. The error is for the client to read.
    pub(super) fn read(body: &[u8], usual: Duration) -> Result<Self, String> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not a JSON object: {error}"))?;
        let mut wish = Self::default();
        for (field, value) in &object {
            match field.as_str() {
                "name" => wish.name = Some(name(value)?),
                "timeout_ms" => wish.timeout = Some(timeout(value, usual.max(LONGEST))?),
                "sliding" => wish.sliding = Some(sliding(value)?),
                unknown => return Err(not_known(unknown)),
            }
        }
        Ok(wish)
    }
}

/// What to send instead.
pub(super) const HELP: &str = "send no body, or a JSON object with any of `name` (a text), `timeout_ms` (a number) and `sliding` (true or false)";

/// As written, in one line that is not too long.
fn not_known(field: &str) -> String {
    let shown: String = field.chars().take(40).collect();
    format!("`{}` is not known here", shown.escape_debug())
}

/// It gets into messages and logs, so it has to be one line.
fn name(value: &Value) -> Result<String, String> {
    let name = value.as_str().map(str::trim).unwrap_or_default();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "`name` has to be one line of 1 to {LONGEST_NAME} bytes"
        ));
    }
    Ok(name.to_owned())
}

fn timeout(value: &Value, longest: Duration) -> Result<Duration, String> {
    let timeout = value.as_u64().map(Duration::from_millis);
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= longest)
        .ok_or_else(|| {
            let longest = longest.as_millis();
            format!("`timeout_ms` has to be a whole number from 1 to {longest}")
        })
}

fn sliding(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| "`sliding` has to be true or false".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Duration = Duration::from_mins(1);

    fn read(body: &str) -> Result<Wish, String> {
        Wish::read(body.as_bytes(), USUAL)
    }

    #[test]
    fn a_client_may_say_nothing_or_any_of_three_things() {
        for nothing in ["", " \n", "{}"] {
            assert_eq!(read(nothing), Ok(Wish::default()));
        }
        let all = read(r#"{"name": " checkout ", "timeout_ms": 1500, "sliding": false}"#);
        let wanted = Wish {
            name: Some("checkout".to_owned()),
            timeout: Some(Duration::from_millis(1500)),
            sliding: Some(false),
        };
        assert_eq!(all, Ok(wanted));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, says) in [
            ("{", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("7", "not a JSON object"),
            (r#"{"timeout": 1}"#, "`timeout` is not known here"),
            (r#"{"a\nb": 1}"#, r"`a\nb` is not known here"),
            (r#"{"name": ""}"#, "`name` has to be"),
            (r#"{"name": 7}"#, "`name` has to be"),
            (r#"{"name": "a\nb"}"#, "`name` has to be"),
            (r#"{"timeout_ms": 0}"#, "from 1 to 3600000"),
            (r#"{"timeout_ms": -1}"#, "from 1 to 3600000"),
            (r#"{"timeout_ms": 1.5}"#, "from 1 to 3600000"),
            (
                r#"{"timeout_ms": 99999999999999999999}"#,
                "from 1 to 3600000",
            ),
            (r#"{"timeout_ms": "1"}"#, "from 1 to 3600000"),
            (r#"{"sliding": 1}"#, "true or false"),
        ] {
            let error = read(body).expect_err(body);
            assert!(error.contains(says), "{body}: {error}");
        }
        let long = format!(r#"{{"name": "{}"}}"#, "a".repeat(201));
        assert!(read(&long).is_err());
    }

    #[test]
    fn routes_that_give_more_let_a_client_wish_as_much() {
        let day = Duration::from_hours(24);
        let wish = Wish::read(br#"{"timeout_ms": 86400000}"#, day);
        assert_eq!(wish.expect("as much as usual").timeout, Some(day));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Wish::read(&body, USUAL));
        }

        #[test]
        fn no_object_panics(field in "name|timeout_ms|sliding|.*", value in "true|null|-?[0-9]{1,25}|\"\\PC*\"|\\[\\]") {
            drop(read(&format!("{{\"{field}\": {value}}}")));
        }
    }
}
