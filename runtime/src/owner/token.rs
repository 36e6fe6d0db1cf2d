//! The secret by which another process or a request names an owner.

use std::fmt;
use std::str::FromStr;

/// 128 random bits. Displayed as 32 hexadecimal digits; hidden from `Debug`, so that it gets into no log by accident.
///
/// Read back from those digits, small or capital, with [`str::parse`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// New random bits, from the operating system.
    pub(super) fn random() -> Self {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)
            .expect("the operating system hands out random bytes; without them no token is safe");
        Self(bits)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What was to be a token is none. It does not say what it was: it may be most of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an owner's token: that is 32 hexadecimal digits")]
pub struct NotAToken;

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| NotAToken)?;
        let mut bits = [0; 16];
        for (byte, pair) in bits.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bits))
    }
}

fn digit(digit: u8) -> Result<u8, NotAToken> {
    let value = char::from(digit).to_digit(16).ok_or(NotAToken)?;
    u8::try_from(value).map_err(|_| NotAToken)
}
