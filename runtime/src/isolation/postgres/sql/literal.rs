//! What string constants stand for.

use super::lex::{Text, continuation};

/// The value of a string constant, given with its quotes as the lexer found it; `None` where the server refuses an
/// escape in it. Not `U&'…'`, whose escape character stands behind it: that is [`unicode_text`].
pub(super) fn text(token: &[u8], text: Text) -> Option<Vec<u8>> {
    match text {
        Text::Plain => chunks(token, 1, false, |chunk| Some(undouble(chunk, b'\''))),
        Text::Escaped => {
            let opening = if token.starts_with(b"'") { 1 } else { 2 };
            chunks(token, opening, true, unescape)
        }
        Text::Dollar(delimiter) => {
            let end = token.len().checked_sub(delimiter)?;
            token.get(delimiter..end).map(<[u8]>::to_vec)
        }
        Text::Unicode => None,
    }
}

/// The value of `U&'…'`.
pub(super) fn unicode_text(token: &[u8], escape: u8) -> Option<Vec<u8>> {
    let raw = chunks(token, 3, false, |chunk| Some(undouble(chunk, b'\'')))?;
    unicode(&raw, escape)
}

/// The insides of a constant that may go on over several lines, read one by one and put together.
fn chunks(
    token: &[u8],
    opening: usize,
    escapes: bool,
    read: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let mut from = opening;
    loop {
        let end = closing_quote(token, from, escapes);
        value.extend(read(&token[from.min(end)..end])?);
        match continuation(token, (end + 1).min(token.len())) {
            Some(next) => from = next,
            None => return Some(value),
        }
    }
}

/// Where the quote stands that closes the constant, or the end.
fn closing_quote(token: &[u8], mut at: usize, escapes: bool) -> usize {
    loop {
        match (token.get(at), token.get(at + 1)) {
            (None, _) => return token.len(),
            (Some(b'\\'), _) if escapes => at += 2,
            (Some(b'\''), Some(b'\'')) => at += 2,
            (Some(b'\''), _) => return at,
            _ => at += 1,
        }
    }
}

/// Every doubled quote made one.
pub(super) fn undouble(inside: &[u8], quote: u8) -> Vec<u8> {
    let mut value = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        value.push(byte);
        if byte == quote {
            bytes.next_if_eq(&quote);
        }
    }
    value
}

/// The escapes of `E'…'`.
fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(raw.len());
    let mut units = Units::default();
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            units.none_open()?;
            value.push(byte);
            at += if raw[at..].starts_with(b"''") { 2 } else { 1 };
            continue;
        }
        let code = *raw.get(at + 1)?;
        let (length, digits) = match code {
            b'u' => (4, hex(raw, at + 2, 4, 4)?),
            b'U' => (8, hex(raw, at + 2, 8, 8)?),
            _ => {
                units.none_open()?;
                at += byte_escape(raw, at + 1, code, &mut value)? + 1;
                continue;
            }
        };
        units.push(digits.0, &mut value)?;
        at += 2 + length;
    }
    units.none_open()?;
    Some(value)
}

/// An escape that stands for one byte: adds it and says how many bytes behind the backslash it takes.
fn byte_escape(raw: &[u8], at: usize, code: u8, value: &mut Vec<u8>) -> Option<usize> {
    let (byte, length) = match code {
        b'0'..=b'7' => octal(raw, at),
        b'x' => match hex(raw, at + 1, 1, 2) {
            Some((number, digits)) => (number.to_le_bytes()[0], 1 + digits),
            None => (b'x', 1),
        },
        b'b' => (0x08, 1),
        b'f' => (0x0c, 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'v' => (0x0b, 1),
        other => (other, 1),
    };
    // The server has no strings with a zero in them.
    (byte != 0).then(|| {
        value.push(byte);
        length
    })
}

/// Up to three digits; what does not fit into a byte is lost, as in the server.
fn octal(raw: &[u8], at: usize) -> (u8, usize) {
    let digits = raw[at..].iter().take(3);
    let digits = digits.take_while(|digit| (b'0'..=b'7').contains(*digit));
    digits.fold((0_u8, 0), |(number, length), digit| {
        (
            number.wrapping_mul(8).wrapping_add(digit - b'0'),
            length + 1,
        )
    })
}

/// A number of `least` to `most` hexadecimal digits, and how many there are.
fn hex(raw: &[u8], at: usize, least: usize, most: usize) -> Option<(u32, usize)> {
    let digits = raw.get(at..).unwrap_or_default().iter().take(most);
    let digits = digits.map_while(|&digit| char::from(digit).to_digit(16));
    let (number, length) = digits.fold((0_u32, 0), |(number, length), digit| {
        (number << 4 | digit, length + 1)
    });
    (length >= least).then_some((number, length))
}

/// The escapes of `U&'…'` and `U&"…"`.
pub(super) fn unicode(raw: &[u8], escape: u8) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(raw.len());
    let mut units = Units::default();
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let next = raw.get(at + 1).copied();
        if byte != escape || next == Some(escape) {
            units.none_open()?;
            value.push(byte);
            at += if byte == escape { 2 } else { 1 };
            continue;
        }
        let (number, length) = match next {
            Some(b'+') => (hex(raw, at + 2, 6, 6)?.0, 8),
            _ => (hex(raw, at + 1, 4, 4)?.0, 5),
        };
        units.push(number, &mut value)?;
        at += length;
    }
    units.none_open()?;
    Some(value)
}

/// Whether a character may stand in `UESCAPE '…'`.
pub(super) fn may_escape(byte: u8) -> bool {
    let refused = byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'\'' | b'"');
    !refused && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Numbers of escapes, of which two may make one character.
#[derive(Debug, Default)]
struct Units {
    /// The first half of a pair.
    high: Option<u32>,
}

impl Units {
    fn push(&mut self, number: u32, value: &mut Vec<u8>) -> Option<()> {
        let number = match (self.high.take(), number) {
            (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high & 0x3ff) << 10) + (number & 0x3ff),
            (Some(_), _) => return None,
            (None, 0xd800..=0xdbff) => {
                self.high = Some(number);
                return Some(());
            }
            (None, _) => number,
        };
        let character = char::from_u32(number).filter(|&c| c != '\0')?;
        value.extend(character.encode_utf8(&mut [0; 4]).bytes());
        Some(())
    }

    /// Refuses the half of a pair.
    fn none_open(&self) -> Option<()> {
        self.high.is_none().then_some(())
    }
}
