//! `#[unowned("why")]`: the mark itself is read by the attributes around it; on its own it is a mistake.

use crate::diag::{error, error_at};
use proc_macro2::TokenStream;
use syn::{Attribute, LitStr, Meta};

/// Reached only where no other attribute of ours has taken the mark away.
pub(crate) fn run(item: TokenStream) -> TokenStream {
    let mut errors = error_at(
        proc_macro2::Span::call_site(),
        "`#[unowned]` is used outside annotated code",
        "put `#[owned_task]` on the function around it, and `#[unowned(\"why\")]` on the spawn",
    )
    .to_compile_error();
    errors.extend(item);
    errors
}

/// Whether this is the mark.
pub(crate) fn is_mark(attribute: &Attribute) -> bool {
    crate::item::is_named(attribute, &["unowned"])
}

/// The reason given in the mark.
pub(crate) fn reason(attribute: &Attribute) -> syn::Result<LitStr> {
    const HELP: &str =
        "say why nobody owns this task: `#[unowned(\"metrics outlive every test\")]`";
    let Meta::List(list) = &attribute.meta else {
        return Err(error(
            attribute.path(),
            "`#[unowned]` without a reason",
            HELP,
        ));
    };
    let Ok(reason) = syn::parse2::<LitStr>(list.tokens.clone()) else {
        let at = if list.tokens.is_empty() {
            None
        } else {
            Some(&list.tokens)
        };
        return Err(match at {
            Some(tokens) => error(tokens, "the reason of `#[unowned]` is one string", HELP),
            None => error(attribute.path(), "`#[unowned]` without a reason", HELP),
        });
    };
    if reason.value().trim().is_empty() {
        return Err(error(reason, "the reason of `#[unowned]` is empty", HELP));
    }
    Ok(reason)
}
