//! The annotated item, and how the attributes around ours are told apart.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Block, ImplItemFn, Item, ItemFn, Meta, Path, ReturnType, Signature, TraitItemFn,
    Type,
};

/// What an attribute stands on.
pub(crate) enum Annotated {
    /// A function or a method, with its body.
    Function(ItemFn),
    /// A method of a trait without a body.
    Declaration(TraitItemFn),
    /// Any other item.
    Other(Item),
}

impl Annotated {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let fallback = tokens.clone();
        match syn::parse2(tokens) {
            Ok(Item::Fn(function)) => Ok(Self::Function(function)),
            Ok(Item::Verbatim(tokens)) => Self::method(tokens),
            Ok(other) => Ok(Self::Other(other)),
            Err(error) => Self::method(fallback).map_err(|_| error),
        }
    }

    fn method(tokens: TokenStream) -> syn::Result<Self> {
        syn::parse2::<TraitItemFn>(tokens).map(|method| match method.default {
            None => Self::Declaration(method),
            Some(body) => Self::Function(ItemFn {
                attrs: method.attrs,
                vis: syn::Visibility::Inherited,
                modifiers: method.modifiers,
                sig: method.sig,
                block: Box::new(body),
            }),
        })
    }
}

/// The parts of a function that are rewritten, wherever the function stands.
pub(crate) struct Parts<'a> {
    pub(crate) attrs: &'a mut Vec<Attribute>,
    pub(crate) sig: &'a mut Signature,
    pub(crate) block: &'a mut Block,
}

impl<'a> From<&'a mut ItemFn> for Parts<'a> {
    fn from(function: &'a mut ItemFn) -> Self {
        Self {
            attrs: &mut function.attrs,
            sig: &mut function.sig,
            block: &mut function.block,
        }
    }
}

impl<'a> From<&'a mut ImplItemFn> for Parts<'a> {
    fn from(function: &'a mut ImplItemFn) -> Self {
        Self {
            attrs: &mut function.attrs,
            sig: &mut function.sig,
            block: &mut function.block,
        }
    }
}

/// The last name of a path.
pub(crate) fn last_name(path: &Path) -> String {
    path.segments
        .last()
        .map(|last| last.ident.to_string())
        .unwrap_or_default()
}

/// `#[..]` whose path ends with this name.
pub(crate) fn is_named(attribute: &Attribute, names: &[&str]) -> bool {
    names.contains(&last_name(attribute.path()).as_str())
}

/// Attributes that make a test of a function, as far as they can be known by name.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    is_named(
        attribute,
        &[
            "test",
            "sandboxed",
            "bench",
            "wasm_bindgen_test",
            "test_case",
        ],
    )
}

/// Attributes that own the tasks started below them.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let ours = last_name(path) == "test"
        && path
            .segments
            .first()
            .is_some_and(|first| first.ident == "heirloom");
    ours || is_named(attribute, &["sandboxed", "owned_task"]) || is_ours_behind_cfg(&attribute.meta)
}

fn is_ours_behind_cfg(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return false };
    list.path.is_ident("cfg_attr")
        && list.tokens.clone().into_iter().any(|token| {
            matches!(token, proc_macro2::TokenTree::Ident(name) if name == "sandboxed" || name == "owned_task")
        })
}

/// Attributes that need to see an `async fn`, so ours has to come after them.
pub(crate) fn comes_first(attribute: &Attribute) -> bool {
    is_named(attribute, &["instrument", "async_trait", "async_recursion"])
}

/// Attributes that build a runtime for an `async fn`, so it has to stay one.
pub(crate) fn runs_async_fn(attribute: &Attribute) -> bool {
    is_test(attribute) || is_named(attribute, &["main", "rstest"])
}

/// Whether a function returns nothing.
pub(crate) fn returns_unit(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    }
}

/// Tokens as a person would have typed them.
pub(crate) fn as_typed(tokens: impl quote::ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :", ":"),
        ("& ", "&"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}
