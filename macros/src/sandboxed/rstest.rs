//! `#[rstest]` below `#[sandboxed]`: rstest gets a plain function that takes rstest's own arguments.
//!
//! rstest 0.28 decides by the attributes of an argument; one without any would be a fixture of that name, and with
//! `#[sandboxed]` it comes from `FromSandbox` instead. A fixture is asked for by `#[from(name)]`.

use crate::item::{is_named, is_test};
use quote::ToTokens;
use syn::{Attribute, FnArg, ItemFn, Meta, PatType, Type, parse_quote};

const ARGUMENTS: &[&str] = &[
    "case",
    "values",
    "from",
    "with",
    "future",
    "files",
    "default",
    "context",
    "ignore",
    "by_ref",
    "notrace",
    "mode",
    "base_dir",
    "exclude",
    "include_dot_files",
    "dirs",
];

/// Whether rstest still has to expand below us.
pub(super) fn is_below(function: &ItemFn) -> bool {
    function
        .attrs
        .iter()
        .any(|attribute| is_named(attribute, &["rstest"]))
}

/// Whether rstest gives this argument.
pub(super) fn owns(arg: &PatType) -> bool {
    owned_by(arg).is_some()
}

/// The attribute that makes this argument rstest's.
pub(super) fn owned_by(arg: &PatType) -> Option<&Attribute> {
    arg.attrs
        .iter()
        .find(|attribute| is_named(attribute, ARGUMENTS))
}

/// Attributes that mean nothing once the function is given back as a plain one.
pub(super) fn is_about_tests(attribute: &Attribute) -> bool {
    is_test(attribute)
        || is_named(
            attribute,
            &[
                "rstest",
                "case",
                "values",
                "should_panic",
                "ignore",
                "awt",
                "timeout",
                "trace",
                "test_attr",
            ],
        )
}

/// Takes rstest's attributes off an argument.
pub(super) fn strip(arg: &mut FnArg) {
    if let FnArg::Typed(arg) = arg {
        arg.attrs
            .retain(|attribute| !is_named(attribute, ARGUMENTS));
    }
}

/// What rstest calls `#[future]` and `#[awt]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Future {
    No,
    /// The body gets a future.
    Given,
    /// The body gets its value.
    Awaited,
}

/// How this argument is passed on; `all_awaited` if the function has `#[awt]`.
pub(super) fn future(arg: &PatType, all_awaited: bool) -> Future {
    let Some(attribute) = arg
        .attrs
        .iter()
        .find(|attribute| is_named(attribute, &["future"]))
    else {
        return Future::No;
    };
    let awaited = matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "awt");
    if awaited || all_awaited {
        Future::Awaited
    } else {
        Future::Given
    }
}

/// The argument as rstest has to see it on a plain function: `#[future(awt)]` needs an `async fn`, `#[future]` does not.
pub(super) fn outer(arg: &PatType) -> PatType {
    let mut arg = arg.clone();
    for attribute in &mut arg.attrs {
        if is_named(attribute, &["future"]) {
            let path = attribute.path().to_token_stream();
            *attribute = parse_quote!(#[#path]);
        }
    }
    arg
}

/// The type the body declares for an argument.
pub(super) fn inner_type(arg: &PatType, future: Future) -> Type {
    let ty = &arg.ty;
    match future {
        Future::Given => parse_quote!(impl ::core::future::Future<Output = #ty>),
        Future::No | Future::Awaited => (**ty).clone(),
    }
}
