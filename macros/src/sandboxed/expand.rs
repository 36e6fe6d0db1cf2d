//! Writes the test. Everything here has been checked.

use super::args::{Args, Drain, Flavor, Isolation, Migrations};
use super::rstest::{self, Future};
use crate::ctx::{Ctx, allow, local, local_at};
use crate::item::{as_typed, is_named, returns_unit};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, PatType, ReturnType, parse_quote};

/// The test, with the body as a function inside of it.
pub(super) fn test(ctx: &Ctx, args: &Args, function: &ItemFn) -> TokenStream {
    let with_rstest = rstest::is_below(function);
    let arguments = Arguments::of(function, with_rstest);
    let setup = setup(ctx, args, function);
    let run = run(ctx, function, &arguments);
    let body = body(function, &arguments);

    let name = &function.sig.ident;
    let vis = &function.vis;
    let attrs = function
        .attrs
        .iter()
        .filter(|attribute| !(with_rstest && is_named(attribute, &["awt"])));
    let outer = &arguments.outer;
    // rstest puts its own on every case.
    let test = (!with_rstest).then(|| quote!(#[::core::prelude::v1::test]));
    let generics = with_rstest.then_some(&function.sig.generics);
    let where_clause = with_rstest.then_some(&function.sig.generics.where_clause);
    let (output, finish) = if returns_unit(&function.sig.output) {
        // `#[should_panic]` allows no other type; a failure panics in `run`.
        let outcome = local("outcome");
        (None, quote!(let #outcome = #setup.#run;))
    } else {
        (
            Some(quote!(-> #ctx::__private::Outcome)),
            quote!(#setup.#run),
        )
    };
    quote! {
        #(#attrs)*
        #test
        #vis fn #name #generics (#(#outer),*) #output #where_clause {
            #body
            #finish
        }
    }
}

/// The arguments, sorted by who gives them.
struct Arguments {
    /// What the test function keeps, for rstest.
    outer: Vec<PatType>,
    /// What the body takes, in the order written.
    inner: Vec<Inner>,
}

struct Inner {
    arg: PatType,
    /// The value in the call of the body.
    value: Ident,
    from: From,
}

#[derive(PartialEq)]
enum From {
    Sandbox,
    Rstest(Future),
}

impl Arguments {
    fn of(function: &ItemFn, with_rstest: bool) -> Self {
        let all_awaited = function
            .attrs
            .iter()
            .any(|attribute| is_named(attribute, &["awt"]));
        let mut arguments = Self {
            outer: Vec::new(),
            inner: Vec::new(),
        };
        let typed = function.sig.inputs.iter().filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(arg),
            FnArg::Receiver(_) => None,
        });
        for (index, arg) in typed.enumerate() {
            let inner = match &*arg.pat {
                Pat::Ident(pat) if with_rstest && rstest::owns(arg) => {
                    arguments.outer.push(named(rstest::outer(arg), &pat.ident));
                    let future = rstest::future(arg, all_awaited);
                    Inner {
                        arg: arg.clone(),
                        value: pat.ident.clone(),
                        from: From::Rstest(future),
                    }
                }
                pat => {
                    let value = local_at(&format!("argument_{index}"), pat.span());
                    Inner {
                        arg: arg.clone(),
                        value,
                        from: From::Sandbox,
                    }
                }
            };
            arguments.inner.push(inner);
        }
        arguments
    }

    fn of_sandbox(&self) -> impl Iterator<Item = &Inner> {
        self.inner
            .iter()
            .filter(|inner| inner.from == From::Sandbox)
    }
}

/// The argument without `mut`, which is the body's business.
fn named(mut arg: PatType, name: &Ident) -> PatType {
    arg.pat = Box::new(parse_quote!(#name));
    arg
}

/// The user's function, under a name that cannot be the user's.
fn body(function: &ItemFn, arguments: &Arguments) -> TokenStream {
    let mut sig = function.sig.clone();
    sig.ident = body_name();
    sig.inputs = arguments
        .inner
        .iter()
        .map(|inner| {
            let mut arg = inner.arg.clone();
            if let From::Rstest(future) = inner.from {
                *arg.ty = rstest::inner_type(&arg, future);
            }
            let mut arg = FnArg::Typed(arg);
            rstest::strip(&mut arg);
            arg
        })
        .collect();
    let block = &function.block;
    let lints = allow(&quote!(
        clippy::unused_async,
        clippy::needless_pass_by_value,
        clippy::unnecessary_wraps
    ));
    quote!(#lints #sig #block)
}

fn body_name() -> Ident {
    local("body")
}

/// Where something stands in the user's file.
fn place(ctx: &Ctx, at: Span) -> TokenStream {
    quote_spanned! {at=>
        #ctx::__private::Place { file: ::core::file!(), line: ::core::line!(), column: ::core::column!() }
    }
}

fn setup(ctx: &Ctx, args: &Args, function: &ItemFn) -> TokenStream {
    let name = as_typed(&function.sig.ident);
    let name = name.trim_start_matches("r#");
    let place = place(ctx, function.sig.ident.span());
    let mut options = options(ctx, args);
    if panic_is_expected(function) {
        options.push(quote!(should_panic()));
    }
    quote! {
        #ctx::__private::Test::new(
            #ctx::__private::module_path!(),
            #name,
            #ctx::__private::manifest_dir!(),
            #place,
        )
        #(.#options)*
    }
}

/// Among rstest's cases `#[should_panic]` may be that of a single one, so nothing is said of them.
fn panic_is_expected(function: &ItemFn) -> bool {
    let has = |name| {
        function
            .attrs
            .iter()
            .any(|attribute| is_named(attribute, &[name]))
    };
    has("should_panic") && !has("case")
}

fn options(ctx: &Ctx, args: &Args) -> Vec<TokenStream> {
    let mut options = Vec::new();
    match &args.migrations {
        Some((_, Migrations::Directory(dir))) => options.push(quote!(migrations_dir(#dir))),
        Some((_, Migrations::None)) => options.push(quote!(no_migrations())),
        None => {}
    }
    if let Some((_, path)) = &args.migrator {
        options.push(quote_spanned!(path.span()=> migrator(&#path)));
    }
    for fixture in &args.fixtures {
        let path = &fixture.path;
        // Spanned, because the path is relative to the file of the test, and a missing file is reported here.
        let script = quote_spanned!(path.span()=> ::core::include_str!(#path));
        options.push(quote!(fixture(#path, #script)));
    }
    match args.isolation {
        Some(Isolation::Transaction) => options.push(quote!(isolation_transaction())),
        Some(Isolation::Database) => options.push(quote!(isolation_database())),
        Some(Isolation::None) => options.push(quote!(isolation_none())),
        None => {}
    }
    if args.shared {
        options.push(quote!(shared()));
    }
    if let Some((_, Flavor::MultiThread)) = args.flavor {
        options.push(quote!(multi_thread()));
    }
    if let Some((_, count)) = args.worker_threads {
        options.push(quote!(worker_threads(#count)));
    }
    if args.start_paused.is_some() {
        options.push(quote!(start_paused()));
    }
    if let Some(millis) = args.ownership_timeout {
        options.push(quote!(ownership_timeout(#ctx::__private::Duration::from_millis(#millis))));
    }
    match args.drain {
        // The default.
        None | Some(Drain::Settle) => {}
        Some(Drain::Join) => options.push(quote!(drain(#ctx::__private::Drain::Join))),
        Some(Drain::Abort) => options.push(quote!(drain(#ctx::__private::Drain::Abort))),
    }
    if let Some(millis) = args.drain_timeout {
        options.push(quote!(drain_timeout(#ctx::__private::Duration::from_millis(#millis))));
    }
    options
}

fn run(ctx: &Ctx, function: &ItemFn, arguments: &Arguments) -> TokenStream {
    let sandbox = local("sandbox");
    let lookups = arguments
        .of_sandbox()
        .map(|inner| lookup(ctx, &sandbox, inner));
    let lookups = quote!(#(#lookups)*);
    let body = body_name();
    let values = arguments.inner.iter().map(|inner| {
        let value = &inner.value;
        let awaited = (inner.from == From::Rstest(Future::Awaited)).then(|| quote!(.await));
        quote!(#value #awaited)
    });
    let call = quote!(#body(#(#values),*));
    // A type that is no `Termination` is reported at the name of this method: so it stands at the type.
    let at = match &function.sig.output {
        ReturnType::Default => function.sig.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    if function.sig.asyncness.is_some() {
        let run = Ident::new("run", at);
        return quote! {
            #run(|#sandbox| async move {
                #lookups
                #ctx::__private::Result::Ok(#call.await)
            })
        };
    }
    let given: Vec<_> = arguments.of_sandbox().map(|inner| &inner.value).collect();
    let run_blocking = Ident::new("run_blocking", at);
    quote! {
        #run_blocking(
            |#sandbox| async move {
                #lookups
                #ctx::__private::Result::Ok((#(#given,)*))
            },
            move |(#(#given,)*)| #call,
        )
    }
}

/// Asks the sandbox for one argument. Spanned so that a missing `FromSandbox` is reported at its type.
fn lookup(ctx: &Ctx, sandbox: &Ident, inner: &Inner) -> TokenStream {
    let (value, ty) = (&inner.value, &inner.arg.ty);
    let written = format!("{}: {}", as_typed(&inner.arg.pat), as_typed(ty));
    let place = place(ctx, ty.span());
    let span = Span::mixed_site().located_at(ty.span());
    let get = quote_spanned!(span=> #ctx::__private::argument::<#ty>(&#sandbox, #written, #place));
    quote!(let #value = #get.await?;)
}
