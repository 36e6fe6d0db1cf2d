//! A cursor over a statement's tokens, to read keywords, names and constants in turn.

use super::Strings;
use super::lex::{Lexer, Shape, Text, Token};
use super::literal;
use super::name::{Name, Use, use_of};

/// What is left of a statement. Methods that return `Option` take what they return, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    lexer: Lexer<'a>,
    ahead: Option<Token>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(statement: &'a [u8], strings: Strings) -> Self {
        let mut lexer = Lexer::new(statement, 0, strings);
        let ahead = lexer.next();
        Self { lexer, ahead }
    }

    /// The next token, taken.
    pub(super) fn take(&mut self) -> Option<Token> {
        std::mem::replace(&mut self.ahead, self.lexer.next())
    }

    /// The next token's shape.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.ahead.map(|token| token.shape)
    }

    fn bytes(&self, token: &Token) -> &'a [u8] {
        &self.lexer.input()[token.range()]
    }

    /// The next token, if it is a word.
    pub(super) fn word(&self) -> Option<&'a [u8]> {
        let token = self.ahead.filter(|token| token.shape == Shape::Word)?;
        Some(self.bytes(&token))
    }

    /// A number without sign or point.
    pub(super) fn digits(&mut self) -> Option<&'a [u8]> {
        let token = self.ahead.filter(|token| token.shape == Shape::Digits)?;
        self.take();
        Some(self.bytes(&token))
    }

    /// Whether a keyword is next.
    pub(super) fn sees(&self, keyword: &str) -> bool {
        let word = self.word();
        word.is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// Takes a keyword, if it is next.
    pub(super) fn took(&mut self, keyword: &str) -> bool {
        let sees = self.sees(keyword);
        if sees {
            self.take();
        }
        sees
    }

    /// Takes the first of these keywords that is next.
    pub(super) fn took_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.took(keyword))
    }

    /// Takes these keywords, all or none.
    pub(super) fn took_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = self.clone();
        let all = keywords.iter().all(|keyword| ahead.took(keyword));
        if all {
            *self = ahead;
        }
        all
    }

    /// Takes a byte of punctuation, if it is next.
    pub(super) fn took_symbol(&mut self, symbol: u8) -> bool {
        let sees = self.shape() == Some(Shape::Symbol(symbol));
        if sees {
            self.take();
        }
        sees
    }

    /// This keyword and nothing else.
    pub(super) fn keyword(&mut self, keyword: &str) -> Option<()> {
        self.took(keyword).then_some(())
    }

    /// The end.
    pub(super) fn end(&self) -> Option<()> {
        self.ahead.is_none().then_some(())
    }

    /// Anything but the end.
    pub(super) fn more(&self) -> Option<()> {
        self.ahead.is_some().then_some(())
    }

    /// A name as tables, savepoints, channels and cursors have it.
    pub(super) fn name(&mut self) -> Option<Name> {
        self.name_of(&[Use::Anything])
    }

    /// A name behind a dot: any word.
    pub(super) fn label(&mut self) -> Option<Name> {
        self.name_of(&[Use::Anything, Use::Function, Use::Nothing])
    }

    /// A word that is not reserved, as values of settings may be.
    pub(super) fn unreserved(&mut self) -> Option<Name> {
        self.name_of(&[Use::Anything, Use::Function])
    }

    fn name_of(&mut self, uses: &[Use]) -> Option<Name> {
        let token = self.ahead.filter(|token| !token.cut)?;
        let (bytes, at) = (self.bytes(&token), token.range());
        let mut after = self.clone();
        after.take();
        let name = match token.shape {
            Shape::Word if uses.contains(&use_of(bytes)) => Name::folded(bytes, at),
            Shape::Quoted => Name::quoted(&bytes[1..bytes.len() - 1], at)?,
            Shape::UnicodeQuoted => {
                let escape = after.unicode_escape()?;
                let end = after.end_of_last(&token, escape.is_some());
                let inside = &bytes[3..bytes.len() - 1];
                Name::unicode(inside, escape.unwrap_or(b'\\'), at.start..end)?
            }
            _ => return None,
        };
        *self = after;
        Some(name)
    }

    /// Where the token ends that was taken last, which is `token` unless there was an escape behind it.
    fn end_of_last(&self, token: &Token, escape: bool) -> usize {
        if !escape {
            return token.end;
        }
        self.lexer
            .from(token.end)
            .nth(1)
            .map_or(token.end, |last| last.end)
    }

    /// The character of a `UESCAPE` that may be next; `None` if the server refuses it.
    #[allow(clippy::option_option, reason = "refused, absent, present")]
    fn unicode_escape(&mut self) -> Option<Option<u8>> {
        if !self.took("uescape") {
            return Some(None);
        }
        let escape = match self.shape()? {
            Shape::Text(Text::Unicode) => None,
            _ => self.text(),
        }?;
        match escape[..] {
            [byte] if literal::may_escape(byte) => Some(Some(byte)),
            _ => None,
        }
    }

    /// The value of a string constant.
    pub(super) fn text(&mut self) -> Option<Vec<u8>> {
        let token = self.ahead.filter(|token| !token.cut)?;
        let Shape::Text(text) = token.shape else {
            return None;
        };
        let mut after = self.clone();
        after.take();
        let value = if text == Text::Unicode {
            // Unsafe where a backslash may escape the quote, says the server.
            (self.lexer.strings() == Strings::Standard).then_some(())?;
            let escape = after.unicode_escape()?.unwrap_or(b'\\');
            literal::unicode_text(self.bytes(&token), escape)?
        } else {
            literal::text(self.bytes(&token), text)?
        };
        *self = after;
        Some(value)
    }

    /// A name with dots in it: `schema.table`.
    pub(super) fn path(&mut self) -> Option<Vec<Name>> {
        let mut path = vec![self.name()?];
        while self.took_symbol(b'.') {
            path.push(self.label()?);
        }
        Some(path)
    }

    /// Takes what stands in parentheses, with them; whether that is next and ends.
    pub(super) fn took_parentheses(&mut self) -> bool {
        if self.shape() != Some(Shape::Symbol(b'(')) {
            return false;
        }
        let mut depth = 0_usize;
        while let Some(token) = self.take() {
            match token.shape {
                Shape::Symbol(b'(') => depth += 1,
                Shape::Symbol(b')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return true;
            }
        }
        false
    }

    /// Where the rest stands: from the next token to the end of the last.
    pub(super) fn rest(&self) -> Option<std::ops::Range<usize>> {
        let first = self.ahead?;
        let last = self.lexer.clone().last().unwrap_or(first);
        Some(first.start..last.end)
    }
}
