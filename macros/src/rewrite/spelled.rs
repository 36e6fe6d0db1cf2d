//! How a spawn was written, for messages and for `allow(..)`.

use proc_macro2::TokenStream;
use syn::Path;

/// How a spawn was written, and where.
pub(super) struct Spelled<'a> {
    pub(super) path: Option<&'a Path>,
    pub(super) what: String,
    pub(super) at: TokenStream,
}

impl Spelled<'_> {
    /// Whether a path in `allow(..)` means this spawn.
    pub(super) fn is(&self, allowed: &Path) -> bool {
        let allowed: Vec<_> = allowed
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        let Some(path) = self.path else {
            let of_type = allowed.len() == 1
                || allowed
                    .iter()
                    .rev()
                    .nth(1)
                    .is_some_and(|owner| owner.starts_with(char::is_uppercase));
            return of_type
                && allowed
                    .last()
                    .is_some_and(|name| self.what.strip_prefix('.') == Some(name));
        };
        let written = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        written
            .rev()
            .zip(allowed.iter().rev())
            .all(|(written, allowed)| written == *allowed)
    }
}

/// The path as it is named in messages.
pub(super) fn without_generics(path: &Path) -> Path {
    let mut path = path.clone();
    for segment in &mut path.segments {
        segment.arguments = syn::PathArguments::None;
    }
    path
}
