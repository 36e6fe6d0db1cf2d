//! `#[sandboxed]`: a function as a test that owns its own database.

mod args;
mod check;
mod expand;
mod fixtures;
mod rstest;

use crate::ctx::{Ctx, allow};
use crate::diag::{Sink, error, error_at};
use crate::item::Annotated;
use crate::owned_task::Unmark;
use crate::rewrite::{Found, Policy, Rewriter};
use args::{Args, Spawns};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;
use syn::{Item, ItemFn, parse_quote};

/// The attribute as a function from tokens to tokens; `name` is what it was called.
pub(crate) fn run(name: &str, args: TokenStream, item: TokenStream) -> TokenStream {
    if cfg!(feature = "sandbox") {
        expanded(args, item)
    } else {
        without_sandbox(name, item)
    }
}

pub(crate) fn expanded(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut sink = Sink::default();
    let args = Args::parse(args, &mut sink);
    let mut function = match Annotated::parse(item.clone()) {
        Ok(Annotated::Function(function)) => function,
        Ok(other) => {
            sink.push(not_a_function(&other));
            return failed(sink, item);
        }
        Err(error) => {
            sink.push(error);
            return failed(sink, item);
        }
    };
    let written = function.clone();
    check::check(&args, &function, &mut sink);
    let ctx = Ctx::new(args.runtime.as_ref());
    rewrite(&ctx, &args, &mut function, &mut sink);
    match sink.finish() {
        Ok(()) => expand::test(&ctx, &args, &function),
        Err(mut errors) => {
            errors.extend(as_written(written));
            errors
        }
    }
}

fn rewrite(ctx: &Ctx, args: &Args, function: &mut ItemFn, sink: &mut Sink) {
    let deny = matches!(args.spawns, Some((_, Spawns::Deny)));
    let policy = if deny {
        Policy::Deny {
            allow: args
                .allow
                .clone()
                .map(|(_, paths)| paths)
                .unwrap_or_default(),
        }
    } else {
        Policy::Inherit
    };
    let mut rewriter = Rewriter::new(ctx, &policy);
    rewriter.body(None, &mut function.sig, &mut function.block);
    let plain = function.sig.asyncness.is_none();
    let without_runtime = rewriter
        .found
        .iter()
        .filter(|found| plain && found.needs_tokio);
    sink.extend(without_runtime.map(|found| needs_runtime(found, function)));
    sink.extend(rewriter.sink.into_errors());
}

fn needs_runtime(found: &Found, function: &ItemFn) -> syn::Error {
    error(
        &found.at,
        format!(
            "`{}` needs a runtime, and a plain `fn` has none",
            found.what
        ),
        format!(
            "make it `async fn {}`, or start a thread with `std::thread::spawn`",
            function.sig.ident
        ),
    )
}

fn not_a_function(item: &Annotated) -> syn::Error {
    const WRONG: &str = "`#[sandboxed]` goes on a function";
    match item {
        Annotated::Declaration(declaration) => error(
            &declaration.sig.ident,
            "a test needs a body",
            "write a free function: `async fn name() { .. }`",
        ),
        Annotated::Other(Item::Mod(module)) => error(
            module.mod_token,
            WRONG,
            "put it on every test in the module",
        ),
        Annotated::Other(Item::Impl(block)) => error(
            block.impl_token,
            WRONG,
            "put it on a free function; `#[owned_task]` goes on an `impl`",
        ),
        Annotated::Other(other) => {
            let first = other.to_token_stream().into_iter().next();
            error(first, WRONG, "put it on the `async fn` that is the test")
        }
        Annotated::Function(function) => error(
            &function.sig.ident,
            WRONG,
            "put it on the `async fn` that is the test",
        ),
    }
}

fn failed(sink: Sink, item: TokenStream) -> TokenStream {
    let mut output = sink.finish().err().unwrap_or_default();
    output.extend(item);
    output
}

/// The function as it was, so that one mistake stays one error; not as a test, since it cannot run.
fn as_written(mut function: ItemFn) -> TokenStream {
    function
        .attrs
        .retain(|attribute| !rstest::is_about_tests(attribute));
    function.sig.inputs.iter_mut().for_each(rstest::strip);
    let lints = allow(&quote!(unused, clippy::all, clippy::pedantic));
    function.attrs.push(parse_quote!(#lints));
    Unmark.visit_item_fn_mut(&mut function);
    function.into_token_stream()
}

pub(crate) fn without_sandbox(name: &str, item: TokenStream) -> TokenStream {
    let mut output = error_at(
        Span::call_site(),
        format!("`#[{name}]` needs the feature `sandbox` of heirloom"),
        "add it for tests: `heirloom = { version = \"0.1\", features = [\"sandbox\"] }` under `[dev-dependencies]`",
    )
    .to_compile_error();
    output.extend(match Annotated::parse(item.clone()) {
        Ok(Annotated::Function(function)) => as_written(function),
        _ => item,
    });
    output
}
