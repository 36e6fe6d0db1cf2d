//! An `async fn` as a function whose future captures its owner when it is called, not when it is first polled.

use crate::ctx::{Ctx, allow, local, local_at};
use crate::item::{Parts, is_named};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Expr, ExprCall, FnArg, LitStr, Pat, PatType, ReturnType, Signature, Stmt,
    Type, parse_quote,
};

/// `async fn f(..) -> R { .. }` becomes `fn f(..) -> impl Future<Output = R> { task(async move { .. }) }`.
///
/// The task is called `actor`, if that is given. The tokens made here follow edition 2024, wherever they end up: the returned future captures every lifetime, as that
/// of an `async fn` does, and temporaries of the last expression are dropped before the arguments.
pub(super) fn capture_when_called(ctx: &Ctx, actor: Option<&LitStr>, parts: Parts<'_>) {
    let Parts { attrs, sig, block } = parts;
    let moved: Vec<TokenStream> = sig
        .inputs
        .iter_mut()
        .enumerate()
        .map(|(index, arg)| move_in(index, arg))
        .collect();
    let returned = returned_type(&sig.output);
    let typed = typed_by_return(&sig.output);
    let body = quote!(async move { #(#moved)* #typed #block });
    let call = task(ctx, actor, sig.ident.span(), &body);
    *block = Block {
        brace_token: block.brace_token,
        stmts: vec![Stmt::Expr(Expr::Verbatim(call), None)],
    };
    become_plain(sig, &returned);
    let lints = allow(&quote!(
        clippy::manual_async_fn,
        clippy::double_must_use,
        refining_impl_trait,
        unused_braces
    ));
    attrs.push(parse_quote!(#lints));
    // Who calls it is where its work comes from. Only Rust's own functions can tell.
    let tracks = |attr: &Attribute| is_named(attr, &["track_caller"]);
    if sig.abi.is_none() && !attrs.iter().any(tracks) {
        attrs.push(parse_quote!(#[track_caller]));
    }
}

/// The future as a task of its owner, blamed on `at`.
fn task(ctx: &Ctx, actor: Option<&LitStr>, at: Span, future: &impl ToTokens) -> TokenStream {
    match actor {
        None => quote_spanned!(at=> #ctx::__private::task(#future)),
        Some(name) => quote_spanned!(at=> #ctx::__private::named_task(#name, #future)),
    }
}

fn become_plain(sig: &mut Signature, returned: &TokenStream) {
    sig.asyncness = None;
    let arrow = match &sig.output {
        ReturnType::Default => syn::token::RArrow::default(),
        ReturnType::Type(arrow, _) => *arrow,
    };
    let future = quote!(impl ::core::future::Future<Output = #returned>);
    sig.output = ReturnType::Type(arrow, Box::new(Type::Verbatim(future)));
}

/// Moves an argument into the future, used or not, and takes it apart there: as an `async fn` does, so that all of them
/// are dropped in the same order when the future ends.
fn move_in(index: usize, arg: &mut FnArg) -> TokenStream {
    match arg {
        FnArg::Receiver(receiver) => {
            let this = receiver.self_token;
            quote!(let _ = &#this;)
        }
        FnArg::Typed(arg) => match &mut *arg.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                let mutability = pat.mutability.take();
                let attrs = &pat.attrs;
                let name = &pat.ident;
                let kept = kept(&arg.attrs);
                let unused = is_unused(name).then(|| {
                    allow(&quote!(
                        clippy::used_underscore_binding,
                        clippy::no_effect_underscore_binding
                    ))
                });
                quote!(#(#kept)* #(#attrs)* #unused let #mutability #name = #name;)
            }
            _ => take_apart(index, arg),
        },
    }
}

/// `_name`: the `let` that moves it is the only use.
fn is_unused(name: &syn::Ident) -> bool {
    name.to_string().starts_with('_')
}

fn take_apart(index: usize, arg: &mut PatType) -> TokenStream {
    let name = local_at(&format!("argument_{index}"), arg.pat.span());
    let pat = std::mem::replace(&mut *arg.pat, parse_quote!(#name));
    let kept = kept(&arg.attrs);
    quote!(#(#kept)* let #name = #name; #(#kept)* let #pat = #name;)
}

/// Attributes of an argument that have to stand on its `let` as well.
fn kept(attrs: &[Attribute]) -> Vec<&Attribute> {
    let names = [
        "cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid",
    ];
    attrs
        .iter()
        .filter(|attribute| is_named(attribute, &names))
        .collect()
}

/// The type in `Future<Output = ..>`. `!` cannot be written there, but it can be named.
fn returned_type(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => {
            quote!(<::core::iter::RepeatWith<fn() -> !> as ::core::iter::Iterator>::Item)
        }
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    }
}

/// A `return` that is never reached: it tells the compiler the type of the block, so that `?`, coercions and bodies
/// that never end work as in an `async fn`.
fn typed_by_return(output: &ReturnType) -> TokenStream {
    let mut ty: Type = match output {
        ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)) => return TokenStream::new(),
        ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => {
            Type::Verbatim(returned_type(output))
        }
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => parse_quote!(()),
    };
    Unnamed.visit_type_mut(&mut ty);
    let never = local("never");
    let lints = allow(&quote!(
        unreachable_code,
        clippy::diverging_sub_expression,
        clippy::empty_loop,
        clippy::let_unit_value,
        clippy::let_with_type_underscore,
        clippy::needless_return,
        clippy::unreachable
    ));
    quote! {
        #lints
        if false {
            let #never: #ty = loop {};
            return #never;
        }
    }
}

/// Replaces `impl Trait`, which has no name in a body.
struct Unnamed;

impl VisitMut for Unnamed {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            *ty = parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}

/// A `fn` whose value is an async block, bare or boxed, is an `async fn` written by hand or by `#[async_trait]`. The
/// value of every branch counts, and so does every `return`. Says whether there was one.
pub(super) fn own_tail(ctx: &Ctx, actor: Option<&LitStr>, block: &mut Block) -> bool {
    let mut returned = Returned {
        ctx,
        actor,
        has_owned: false,
    };
    returned.visit_block_mut(block);
    returned.own_value_of(block);
    returned.has_owned
}

/// Finds the values that a function returns. What a closure, an async block or a nested item returns is not the
/// function's.
struct Returned<'a> {
    ctx: &'a Ctx,
    actor: Option<&'a LitStr>,
    /// Whether one of them was a future.
    has_owned: bool,
}

impl Returned<'_> {
    fn own_value_of(&mut self, block: &mut Block) {
        if let Some(Stmt::Expr(tail, None)) = block.stmts.last_mut() {
            self.own_value(tail);
        }
    }

    fn own_value(&mut self, value: &mut Expr) {
        match value {
            Expr::Async(_) => self.own(value),
            Expr::Block(block) => self.own_value_of(&mut block.block),
            Expr::Unsafe(block) => self.own_value_of(&mut block.block),
            Expr::Paren(inner) => self.own_value(&mut inner.expr),
            Expr::Cast(cast) => self.own_value(&mut cast.expr),
            Expr::If(branches) => {
                self.own_value_of(&mut branches.then_branch);
                if let Some((_, other)) = &mut branches.else_branch {
                    self.own_value(other);
                }
            }
            Expr::Match(branches) => branches
                .arms
                .iter_mut()
                .for_each(|arm| self.own_value(&mut arm.body)),
            Expr::Call(call) if is_box_pin(call) => {
                if let Some(boxed @ Expr::Async(_)) = call.args.first_mut() {
                    self.own(boxed);
                }
            }
            Expr::MethodCall(call) if call.method == "boxed" || call.method == "boxed_local" => {
                if let boxed @ Expr::Async(_) = &mut *call.receiver {
                    self.own(boxed);
                }
            }
            _ => {}
        }
    }

    fn own(&mut self, future: &mut Expr) {
        let span = Span::call_site().located_at(future.span());
        *future = Expr::Verbatim(task(self.ctx, self.actor, span, future));
        self.has_owned = true;
    }
}

impl VisitMut for Returned<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Closure(_) | Expr::Async(_) => {}
            Expr::Return(early) => {
                if let Some(value) = &mut early.expr {
                    self.visit_expr_mut(value);
                    self.own_value(value);
                }
            }
            other => visit_mut::visit_expr_mut(self, other),
        }
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

fn is_box_pin(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let mut names = path.path.segments.iter().rev();
    names.next().is_some_and(|name| name.ident == "pin")
        && names.next().is_some_and(|name| name.ident == "Box")
}
