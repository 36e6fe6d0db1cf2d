//! The rules for the function under `#[sandboxed]`. Add a rule, not a branch.

use super::args::Args;
use super::rstest;
use crate::diag::{Sink, error};
use crate::item::{as_typed, is_named, is_ours, is_test, returns_unit};
use crate::unowned;
use syn::{FnArg, ItemFn, Pat, PatType, ReturnType, Safety, Type};

type Mistakes = Vec<syn::Error>;

const RULES: &[fn(&ItemFn) -> Mistakes] = &[
    is_not_const,
    is_not_extern,
    is_safe,
    is_not_variadic,
    has_no_receiver,
    has_no_generics,
    takes_owned_arguments,
    gives_rstest_names,
    has_rstest_for_its_arguments,
    takes_every_argument_always,
    is_one_test,
    is_not_unowned,
    panics_without_value,
];

/// Every mistake in the function, whatever else is wrong.
pub(super) fn check(args: &Args, function: &ItemFn, sink: &mut Sink) {
    for rule in RULES {
        sink.extend(rule(function));
    }
    sink.extend(has_runtime(args, function));
}

fn is_not_const(function: &ItemFn) -> Mistakes {
    let wrong = "`#[sandboxed]` cannot be used on a `const fn`";
    let mistake = |token| error(token, wrong, "a test runs at run time; remove `const`");
    function
        .sig
        .constness
        .as_ref()
        .map(mistake)
        .into_iter()
        .collect()
}

fn is_not_extern(function: &ItemFn) -> Mistakes {
    let wrong = "`#[sandboxed]` cannot be used on an `extern` function";
    let mistake = |abi| error(abi, wrong, "the test harness calls it; remove the ABI");
    function.sig.abi.as_ref().map(mistake).into_iter().collect()
}

fn is_safe(function: &ItemFn) -> Mistakes {
    let Safety::Unsafe(token) = &function.sig.safety else {
        return Vec::new();
    };
    let wrong = "`#[sandboxed]` cannot be used on an `unsafe fn`";
    vec![error(
        token,
        wrong,
        "nobody could keep its promise; remove `unsafe` and use `unsafe { .. }` in the body",
    )]
}

fn is_not_variadic(function: &ItemFn) -> Mistakes {
    let mistake = |dots| {
        error(
            dots,
            "a test cannot have variadic arguments",
            "remove the `...`",
        )
    };
    function
        .sig
        .variadic
        .as_ref()
        .map(mistake)
        .into_iter()
        .collect()
}

fn has_no_receiver(function: &ItemFn) -> Mistakes {
    let receivers = function.sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Receiver(receiver) => Some(receiver),
        FnArg::Typed(_) => None,
    });
    receivers
        .map(|receiver| {
            error(
                receiver,
                "a test cannot have `self`",
                "write a free function, and take what it needs as an argument that implements `FromSandbox`",
            )
        })
        .collect()
}

fn has_no_generics(function: &ItemFn) -> Mistakes {
    if rstest::is_below(function) {
        return Vec::new();
    }
    let wrong = "a test cannot be generic";
    let mut mistakes = Vec::new();
    if !function.sig.generics.params.is_empty() {
        mistakes.push(error(
            &function.sig.generics.params,
            wrong,
            "nothing would choose the type; write it out",
        ));
    }
    if let Some(clause) = &function.sig.generics.where_clause {
        mistakes.push(error(
            clause.where_token,
            wrong,
            "remove the `where` clause",
        ));
    }
    mistakes
}

fn takes_owned_arguments(function: &ItemFn) -> Mistakes {
    from_sandbox(function).filter_map(owned_argument).collect()
}

fn owned_argument(arg: &PatType) -> Option<syn::Error> {
    match &*arg.ty {
        Type::Reference(reference) => {
            let owned = as_typed(&reference.elem);
            let name = as_typed(&arg.pat);
            Some(error(
                reference.and_token,
                "a test owns its arguments, so they cannot be references",
                format!("write `{name}: {owned}`, and `&{name}` in the body"),
            ))
        }
        Type::ImplTrait(ty) => Some(error(
            ty,
            "nothing chooses the type of this argument",
            "write a type that implements `FromSandbox`",
        )),
        _ => None,
    }
}

fn gives_rstest_names(function: &ItemFn) -> Mistakes {
    if !rstest::is_below(function) {
        return Vec::new();
    }
    let unnamed = |arg: &&PatType| rstest::owns(arg) && !matches!(&*arg.pat, Pat::Ident(_));
    typed(function)
        .filter(unnamed)
        .map(|arg| {
            let help = "name it, and take it apart in the body: `let pattern = name;`";
            error(&arg.pat, "an argument of rstest needs a name here", help)
        })
        .collect()
}

/// Such an attribute would be taken off without a word.
fn has_rstest_for_its_arguments(function: &ItemFn) -> Mistakes {
    if rstest::is_below(function) {
        return Vec::new();
    }
    let attributes = typed(function).filter_map(rstest::owned_by);
    attributes
        .map(|attribute| {
            let name = as_typed(attribute.path());
            let wrong = format!("`#[{name}]` is an attribute of rstest, and this test has none");
            let help = format!("put `#[rstest]` below `#[sandboxed]`, or remove `#[{name}]`");
            error(attribute.path(), wrong, help)
        })
        .collect()
}

fn takes_every_argument_always(function: &ItemFn) -> Mistakes {
    let conditions = typed(function)
        .flat_map(|arg| &arg.attrs)
        .filter(|attribute| is_named(attribute, &["cfg"]));
    conditions
        .map(|condition| {
            let help = "put `#[cfg(..)]` on the test, and write a second test for the other case";
            error(
                condition.path(),
                "an argument of a test cannot be conditional",
                help,
            )
        })
        .collect()
}

fn is_one_test(function: &ItemFn) -> Mistakes {
    let others = function
        .attrs
        .iter()
        .filter(|attribute| is_test(attribute) || is_ours(attribute));
    others
        .map(|other| {
            let name = as_typed(other.path());
            let (wrong, help) = if is_named(other, &["owned_task"]) {
                ("the function is already annotated".to_owned(), "`#[sandboxed]` does what `#[owned_task]` does; keep one attribute".to_owned())
            } else if is_ours(other) {
                ("the function is already a sandboxed test".to_owned(), "keep one of the attributes".to_owned())
            } else {
                ("the function is already a test".to_owned(), format!("`#[sandboxed]` brings its own runtime and test attribute; remove `#[{name}]`"))
            };
            error(other.path(), wrong, help)
        })
        .collect()
}

fn is_not_unowned(function: &ItemFn) -> Mistakes {
    let marks = function
        .attrs
        .iter()
        .filter(|attribute| unowned::is_mark(attribute));
    marks
        .map(|mark| {
            let help = "put `#[unowned(\"why\")]` on the spawn inside that nobody owns";
            error(mark.path(), "a test always owns what it starts", help)
        })
        .collect()
}

fn panics_without_value(function: &ItemFn) -> Mistakes {
    let expects_panic = function
        .attrs
        .iter()
        .any(|attribute| is_named(attribute, &["should_panic"]));
    let ReturnType::Type(_, ty) = &function.sig.output else {
        return Vec::new();
    };
    if !expects_panic || returns_unit(&function.sig.output) {
        return Vec::new();
    }
    let help = "remove the return type and use `.unwrap()` in place of `?`";
    vec![error(ty, "a `#[should_panic]` test must return `()`", help)]
}

/// A plain function runs on a blocking thread; arguments about async workers mean nothing to it.
fn has_runtime(args: &Args, function: &ItemFn) -> Mistakes {
    if function.sig.asyncness.is_some() {
        return Vec::new();
    }
    let flavor = args.flavor.as_ref().map(|(name, _)| name);
    let threads = args.worker_threads.as_ref().map(|(name, _)| name);
    let paused = args.start_paused.as_ref();
    let help = format!(
        "make it `async fn {}`, or remove the argument",
        function.sig.ident
    );
    let wrong = |name: &syn::Ident| error(name, format!("`{name}` needs an `async fn`"), &help);
    let named = flavor.into_iter().chain(threads).chain(paused);
    named.map(wrong).collect()
}

/// The arguments that come from `FromSandbox`.
fn from_sandbox(function: &ItemFn) -> impl Iterator<Item = &PatType> {
    let rstest = rstest::is_below(function);
    typed(function).filter(move |arg| !(rstest && rstest::owns(arg)))
}

fn typed(function: &ItemFn) -> impl Iterator<Item = &PatType> {
    function.sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some(arg),
        FnArg::Receiver(_) => None,
    })
}
