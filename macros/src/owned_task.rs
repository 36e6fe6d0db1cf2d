//! `#[owned_task]`: futures that capture their owner when they are made, and spawn sites that hand it on.

mod future;

use crate::args::{Name, OwnedTask};
use crate::ctx::Ctx;
use crate::diag::{Sink, error};
use crate::item::{Annotated, Parts, as_typed, comes_first, is_ours, runs_async_fn};
use crate::rewrite::{Policy, Rewriter, item_attributes};
use crate::unowned;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Expr, ImplItem, ImplItemFn, Item, ItemFn, LitStr, TraitItem, TraitItemFn};

/// The attribute as a function from tokens to tokens.
pub(crate) fn run(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut sink = Sink::default();
    let args = OwnedTask::parse(args, &mut sink);
    let ctx = Ctx::new(args.runtime.as_ref());
    let written = item.clone();
    let expanded = match Annotated::parse(item) {
        Ok(annotated) => expand(&ctx, args.name.as_ref(), annotated, &mut sink),
        Err(error) => {
            sink.push(error);
            TokenStream::new()
        }
    };
    match sink.finish() {
        Ok(()) => expanded,
        Err(mut errors) => {
            errors.extend(as_written(written));
            errors
        }
    }
}

fn expand(ctx: &Ctx, name: Option<&Name>, annotated: Annotated, sink: &mut Sink) -> TokenStream {
    match annotated {
        Annotated::Function(function) => expand_function(ctx, name, function, sink),
        Annotated::Declaration(declaration) => {
            sink.push(no_body(&declaration));
            TokenStream::new()
        }
        Annotated::Other(mut item) => {
            let of_name = name.and_then(|name| has_no_name(&item, name));
            let mistakes: Vec<_> = check_item(&item).into_iter().chain(of_name).collect();
            if !mistakes.is_empty() {
                sink.extend(mistakes);
                return TokenStream::new();
            }
            if let Some(attrs) = item_attributes(&mut item) {
                sink.extend(contradiction(attrs));
                if come_after(ctx, None, attrs) {
                    return item.into_token_stream();
                }
            }
            Inside::rewrite(ctx, None, sink, |inside| inside.content(&mut item));
            item.into_token_stream()
        }
    }
}

fn expand_function(
    ctx: &Ctx,
    name: Option<&Name>,
    mut function: ItemFn,
    sink: &mut Sink,
) -> TokenStream {
    let actor = name.map(|(_, actor)| actor);
    sink.extend(contradiction(&function.attrs));
    sink.extend(check_function(&function));
    if come_after(ctx, actor, &mut function.attrs) {
        return function.into_token_stream();
    }
    Inside::rewrite(ctx, name, sink, |inside| {
        inside.function(Parts::from(&mut function));
    });
    function.into_token_stream()
}

/// Puts our attribute below one that needs to see the `async fn` first; it meets the result of that one.
fn come_after(ctx: &Ctx, actor: Option<&LitStr>, attrs: &mut Vec<Attribute>) -> bool {
    let after = attrs.iter().any(comes_first);
    if after {
        attrs.push(ctx.owned_task_attribute(actor));
    }
    after
}

fn check_function(function: &ItemFn) -> impl Iterator<Item = syn::Error> + use<> {
    let sig = &function.sig;
    let not_const = sig.constness.map(|token| {
        error(
            token,
            "`#[owned_task]` cannot be used on a `const fn`",
            "owners exist only at run time; remove `const`",
        )
    });
    let twice = function
        .attrs
        .iter()
        .find(|attribute| is_ours(attribute))
        .map(|second| {
            error(
                second.path(),
                "the function is already annotated",
                "`#[sandboxed]` does what `#[owned_task]` does; keep one attribute",
            )
        });
    let variadic = sig
        .variadic
        .as_ref()
        .filter(|_| sig.asyncness.is_some())
        .map(|dots| {
            error(
                dots,
                "`#[owned_task]` cannot be used on a variadic `async fn`",
                "remove the `...`",
            )
        });
    [not_const, twice, variadic].into_iter().flatten()
}

fn contradiction(attrs: &[Attribute]) -> Option<syn::Error> {
    attrs
        .iter()
        .find(|attribute| unowned::is_mark(attribute))
        .map(|mark| {
            error(
                mark.path(),
                "`#[unowned]` and `#[owned_task]` contradict each other",
                "put `#[unowned(\"why\")]` on the spawn inside that nobody owns",
            )
        })
}

fn no_body(declaration: &TraitItemFn) -> syn::Error {
    let help = "put it on the function in the `impl`, or on the whole `impl`";
    error(
        &declaration.sig.ident,
        "`#[owned_task]` needs a body, and this declaration has none",
        help,
    )
}

/// An actor is one task, so its name goes where that task begins.
fn has_no_name(item: &Item, (name, actor): &Name) -> Option<syn::Error> {
    let what = match item {
        Item::Impl(_) => "an `impl`",
        Item::Trait(_) => "a `trait`",
        Item::Mod(_) => "a `mod`",
        _ => return None,
    };
    Some(error(
        name,
        format!("`name` belongs to one function, and this is {what}"),
        format!(
            "put `#[owned_task(name = {})]` on the function in it that is the actor",
            as_typed(actor)
        ),
    ))
}

fn names_nothing((name, _): &Name) -> syn::Error {
    error(
        name,
        "`name` has no task to name in this function",
        "put it on the `async fn` that is the actor, or on the `fn` that spawns it; what is spawned inside of a task or an \
         `async` block has no name",
    )
}

fn check_item(item: &Item) -> Option<syn::Error> {
    const HELP: &str = "it goes on a `fn`, an `impl` block, a `trait` or an inline `mod`";
    let on = |at: &dyn ToTokens, what: &str| {
        let wrong = format!("`#[owned_task]` cannot be used on {what}");
        Some(error(at.to_token_stream(), wrong, HELP))
    };
    match item {
        Item::Impl(_) | Item::Trait(_) | Item::Fn(_) => None,
        Item::Mod(module) if module.content.is_some() => None,
        Item::Mod(module) => Some(error(
            &module.ident,
            "`#[owned_task]` cannot see into the file of this module",
            "put it on the items in that file, or write the module here: `mod name { .. }`",
        )),
        Item::Struct(item) => on(&item.struct_token, "a `struct`"),
        Item::Enum(item) => on(&item.enum_token, "an `enum`"),
        Item::Union(item) => on(&item.union_token, "a `union`"),
        Item::Const(item) => on(&item.const_token, "a `const`"),
        Item::Static(item) => on(&item.static_token, "a `static`"),
        Item::ForeignMod(item) => on(&item.abi, "an `extern` block"),
        Item::ExternCrate(item) => on(&item.extern_token, "an `extern crate`"),
        Item::Use(item) => on(&item.use_token, "a `use`"),
        Item::Type(item) => on(&item.type_token, "a type alias"),
        Item::Macro(item) => on(&item.mac.path, "a macro"),
        other => on(other, "this item"),
    }
}

/// The item as it was, for editors and callers, without marks that mean nothing on their own.
fn as_written(item: TokenStream) -> TokenStream {
    match syn::parse2::<Item>(item.clone()) {
        Ok(mut parsed) => {
            Unmark.visit_item_mut(&mut parsed);
            parsed.into_token_stream()
        }
        Err(_) => item,
    }
}

/// Takes every mark and every other attribute of ours away.
pub(crate) struct Unmark;

impl VisitMut for Unmark {
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        attrs.retain(|attribute| !unowned::is_mark(attribute) && !is_ours(attribute));
    }
}

/// What is inside of an annotated item.
struct Inside<'a> {
    ctx: &'a Ctx,
    name: Option<&'a Name>,
    rewriter: Rewriter<'a>,
}

impl<'a> Inside<'a> {
    fn rewrite(
        ctx: &'a Ctx,
        name: Option<&'a Name>,
        sink: &mut Sink,
        rewrite: impl FnOnce(&mut Self),
    ) {
        let rewriter = Rewriter::new(ctx, &Policy::Inherit);
        let mut inside = Inside {
            ctx,
            name,
            rewriter,
        };
        rewrite(&mut inside);
        let has_named = inside.rewriter.has_named;
        let mistakes = inside.rewriter.sink.into_errors();
        // A mistake in the body may be what keeps the name from its task.
        if mistakes.is_empty() && !has_named {
            sink.extend(name.map(names_nothing));
        }
        sink.extend(mistakes);
    }

    fn content(&mut self, item: &mut Item) {
        match item {
            Item::Fn(function) => self.function(Parts::from(function)),
            Item::Impl(block) => block.items.iter_mut().for_each(|item| self.impl_item(item)),
            Item::Trait(block) => block
                .items
                .iter_mut()
                .for_each(|item| self.trait_item(item)),
            Item::Mod(module) => {
                let items = module.content.iter_mut().flat_map(|(_, items)| items);
                items.for_each(|item| self.item(item));
            }
            Item::Static(item) => self.made_once(&mut item.expr),
            other => self.rewriter.visit_item_mut(other),
        }
    }

    /// A `static` outlives every owner, so what it starts can belong to none.
    fn made_once(&mut self, value: &mut Expr) {
        let mut rewriter = Rewriter::new(self.ctx, &Policy::Note);
        rewriter.visit_expr_mut(value);
        let spawns = rewriter.found.iter().map(|found| {
            error(
                &found.at,
                format!(
                    "`{}` in a `static` starts a task that outlives every owner",
                    found.what
                ),
                "mark the `static` with `#[unowned(\"why\")]`, or start the task in a function",
            )
        });
        let sink = &mut self.rewriter.sink;
        sink.extend(spawns);
        sink.extend(rewriter.sink.into_errors());
    }

    /// An item of an annotated `mod`: it may have its own attribute, or a mark.
    fn item(&mut self, item: &mut Item) {
        let Some(attrs) = item_attributes(item) else {
            return;
        };
        if self.is_left_alone(attrs) {
            return;
        }
        if attrs.iter().any(comes_first)
            && matches!(item, Item::Fn(_) | Item::Impl(_) | Item::Trait(_))
        {
            let attribute = self.ctx.owned_task_attribute(None);
            if let Some(attrs) = item_attributes(item) {
                attrs.push(attribute);
            }
            return;
        }
        self.content(item);
    }

    fn impl_item(&mut self, item: &mut ImplItem) {
        match item {
            ImplItem::Fn(method) => self.method(method),
            ImplItem::Macro(call) => self.rewriter.visit_macro_mut(&mut call.mac),
            _ => {}
        }
    }

    fn method(&mut self, method: &mut ImplItemFn) {
        if !self.is_settled(&mut method.attrs) {
            self.function(Parts::from(method));
        }
    }

    fn trait_item(&mut self, item: &mut TraitItem) {
        match item {
            TraitItem::Fn(method) => {
                if self.is_settled(&mut method.attrs) {
                    return;
                }
                if let Some(block) = &mut method.default {
                    self.function(Parts {
                        attrs: &mut method.attrs,
                        sig: &mut method.sig,
                        block,
                    });
                }
            }
            TraitItem::Macro(call) => self.rewriter.visit_macro_mut(&mut call.mac),
            _ => {}
        }
    }

    fn is_settled(&mut self, attrs: &mut Vec<Attribute>) -> bool {
        self.is_left_alone(attrs) || come_after(self.ctx, None, attrs)
    }

    fn is_left_alone(&mut self, attrs: &mut Vec<Attribute>) -> bool {
        self.rewriter.take_item_mark(attrs) || attrs.iter().any(is_ours)
    }

    fn function(&mut self, parts: Parts<'_>) {
        let actor = self.name.map(|(_, actor)| actor);
        if parts.sig.asyncness.is_none() {
            self.rewriter.body(actor, parts.sig, parts.block);
            self.rewriter.has_named |= future::own_tail(self.ctx, actor, parts.block);
            return;
        }
        // It is the actor itself, and what it spawns are its children.
        self.rewriter.body(None, parts.sig, parts.block);
        if !parts.attrs.iter().any(runs_async_fn) {
            future::capture_when_called(self.ctx, actor, parts);
            self.rewriter.has_named = true;
        }
    }
}
