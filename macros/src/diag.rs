//! Collects every mistake of one item, so that all are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use std::fmt::Display;
use syn::Error;

/// A mistake at these tokens: what is wrong, then what to write instead.
pub(crate) fn error(at: impl ToTokens, wrong: impl Display, help: impl Display) -> Error {
    Error::new_spanned(at, message(wrong, help))
}

/// A mistake at this place: what is wrong, then what to write instead.
pub(crate) fn error_at(at: Span, wrong: impl Display, help: impl Display) -> Error {
    Error::new(at, message(wrong, help))
}

fn message(wrong: impl Display, help: impl Display) -> String {
    format!("{wrong}\n\nhelp: {help}")
}

/// Where mistakes go until all checks have run.
#[derive(Default)]
pub(crate) struct Sink {
    errors: Vec<Error>,
}

impl Sink {
    /// Adds one mistake.
    pub(crate) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// Keeps the value, or the mistake that stands in its place.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// `Err` with all mistakes as `compile_error!`s, if there are any.
    pub(crate) fn finish(self) -> Result<(), TokenStream> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(self.errors.iter().map(Error::to_compile_error).collect())
    }

    /// The mistakes as they are.
    pub(crate) fn into_errors(self) -> Vec<Error> {
        self.errors
    }
}

impl Extend<Error> for Sink {
    fn extend<I: IntoIterator<Item = Error>>(&mut self, errors: I) {
        self.errors.extend(errors);
    }
}

/// `a`, `b` or `c`, each in backticks.
pub(crate) fn list(names: &[&str], last: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}
