//! Reads an owner's token from a request's headers. Takes whatever bytes come, and tells what is wrong, never the bytes.

use crate::owner::Token;
use http::header::{HeaderMap, HeaderName, USER_AGENT};
use std::fmt;

/// The product in a user agent, and the key in baggage.
const NAME: &[u8] = b"heirloom";

/// What a header may hold and still be read, in bytes. From W3C Baggage, which has to be carried up to this size.
pub(super) const LONGEST: usize = 8192;

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Where tokens are.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    /// The user agent, which holds more than the token, or a header that holds nothing else.
    pub(super) header: HeaderName,
    pub(super) baggage: bool,
}

/// Why no token can be read from headers that are to hold one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Malformed(HeaderName),
    TooLong(HeaderName),
    Several(HeaderName, HeaderName),
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            header: USER_AGENT,
            baggage: false,
        }
    }
}

impl Sources {
    /// The one token in these headers, if there is one.
    pub(super) fn token_in(&self, headers: &HeaderMap) -> Result<Option<Token>, Unreadable> {
        let mut found = Found::default();
        let header = &self.header;
        for value in headers.get_all(header) {
            let value = value.as_bytes();
            if *header == USER_AGENT {
                check_size(header, value)?;
                found.all(header, products(value))?;
            } else {
                found.all(header, [trim(value)].into_iter())?;
            }
        }
        if self.baggage {
            for value in headers.get_all(BAGGAGE) {
                let value = value.as_bytes();
                check_size(&BAGGAGE, value)?;
                found.all(&BAGGAGE, members(value))?;
            }
        }
        Ok(found.0.map(|(token, _)| token))
    }
}

/// The token that was found so far, and where.
#[derive(Default)]
struct Found(Option<(Token, HeaderName)>);

impl Found {
    fn all<'a>(
        &mut self,
        header: &HeaderName,
        texts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Unreadable> {
        for text in texts {
            let token = token(text).ok_or_else(|| Unreadable::Malformed(header.clone()))?;
            match &self.0 {
                None => self.0 = Some((token, header.clone())),
                Some((same, _)) if *same == token => {}
                Some((_, before)) => {
                    return Err(Unreadable::Several(before.clone(), header.clone()));
                }
            }
        }
        Ok(())
    }
}

/// The versions of the product `heirloom/<version>` in a user agent, wherever they stand: proxies and drivers put theirs behind
/// it.
fn products(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = value.split(|byte| is_space(*byte));
    words.filter_map(|word| {
        let (name, version) = word.split_at_checked(NAME.len())?;
        let version = version.strip_prefix(b"/")?;
        name.eq_ignore_ascii_case(NAME).then_some(version)
    })
}

/// The values of the member `heirloom=<value>;<properties>` in baggage.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|byte| *byte == b',');
    members.filter_map(|member| {
        let member = member.split(|byte| *byte == b';').next()?;
        let mut sides = member.splitn(2, |byte| *byte == b'=');
        let key = trim(sides.next()?);
        // Without a value it is malformed, not absent.
        (key == NAME).then(|| trim(sides.next().unwrap_or_default()))
    })
}

/// Nobody is refused because of a long header that has nothing to do with owners.
fn check_size(header: &HeaderName, value: &[u8]) -> Result<(), Unreadable> {
    let may_hold_one = || {
        let mut places = value.windows(NAME.len());
        places.any(|place| place.eq_ignore_ascii_case(NAME))
    };
    if value.len() > LONGEST && may_hold_one() {
        return Err(Unreadable::TooLong(header.clone()));
    }
    Ok(())
}

/// Whether a user agent or baggage names an owner already, readable or not.
pub(super) fn names_an_owner(header: &HeaderName, value: &[u8]) -> bool {
    if *header == BAGGAGE {
        members(value).next().is_some()
    } else {
        products(value).next().is_some()
    }
}

fn token(text: &[u8]) -> Option<Token> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Without the white space around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(header) => write!(
                f,
                "the token in the header `{header}` is malformed\n\n  help: {}",
                Shape(header)
            ),
            Self::TooLong(header) => write!(
                f,
                "the header `{header}` is longer than {LONGEST} bytes, so no token is looked for in it\n\n  help: {}",
                Shorter(header)
            ),
            Self::Several(one, other) if one == other => write!(
                f,
                "the header `{one}` holds two different tokens\n\n  help: a request has one owner: remove the other's token"
            ),
            Self::Several(one, other) => write!(
                f,
                "the headers `{one}` and `{other}` hold two different tokens\n\n  help: a request has one owner: remove the other's token"
            ),
        }
    }
}

/// How a token is written in a header.
struct Shape<'a>(&'a HeaderName);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self.0 == USER_AGENT {
            "one word of it is `heirloom/` and the token's 32 hexadecimal digits: take all of it from `owner.user_agent(..)`"
        } else if *self.0 == BAGGAGE {
            "the member is `heirloom=` and the token's 32 hexadecimal digits"
        } else {
            "the whole value is the token's 32 hexadecimal digits, `owner.token().to_string()`"
        })
    }
}

/// What to do about a header that is too long.
struct Shorter<'a>(&'a HeaderName);

impl fmt::Display for Shorter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self.0 == BAGGAGE {
            "send less of it, or leave `.baggage()` out and the token in the other header"
        } else {
            "send the token in a header of its own: `SandboxLayer::new().header(..)`"
        })
    }
}

/// Any bytes as the lines of headers, for fuzzing: no panic, and no token that is not written there.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let names = [USER_AGENT, BAGGAGE, HeaderName::from_static("x-owner")];
    let mut headers = HeaderMap::new();
    for (line, name) in bytes.split(|byte| *byte == b'\n').zip(names.iter().cycle()) {
        if let Ok(value) = http::HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    for header in [USER_AGENT, HeaderName::from_static("x-owner")] {
        for baggage in [false, true] {
            let header = header.clone();
            match (Sources { header, baggage }).token_in(&headers) {
                Ok(None) => {}
                Ok(Some(token)) => {
                    let digits = token.to_string().into_bytes();
                    let mut places = bytes.windows(digits.len());
                    assert!(places.any(|place| place.eq_ignore_ascii_case(&digits)));
                }
                Err(why) => assert!(!why.to_string().is_empty()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
