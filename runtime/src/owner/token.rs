//! The secret by which another process or a request names an owner.

use std::fmt;

/// 128 random bits. Displayed as 32 hexadecimal digits; hidden from `Debug`, so that it gets into no log by accident.
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
