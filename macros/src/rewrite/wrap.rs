//! Wraps the argument of a spawn so that the work inside belongs to the caller's owner, or on purpose to nobody.

use crate::ctx::{Ctx, allow, local};
use crate::diag::error;
use crate::item::last_name;
use crate::spawns::{Site, Work};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Expr, ExprBlock, ExprCall, ExprClosure, ExprMatch, LitStr, ReturnType, Stmt, parse_quote,
    parse_quote_spanned,
};

/// Whether the call as a whole has to be put into [`around_call`].
pub(super) type NeedsCarrier = bool;

/// Whose the work at a spawn site becomes.
#[derive(Clone, Copy)]
pub(super) enum Heir<'a> {
    /// The caller's.
    Caller,
    /// The caller's, as the actor of this name.
    Actor(&'a LitStr),
    /// Nobody's, for this reason.
    Nobody(&'a LitStr),
}

/// Wraps this argument.
pub(super) fn work(
    ctx: &Ctx,
    heir: Heir<'_>,
    site: &Site,
    arg: &mut Expr,
) -> syn::Result<NeedsCarrier> {
    // An attribute may stand on an argument, but not on what is inside of the wrapper.
    let attrs = super::attributes(arg)
        .map(std::mem::take)
        .unwrap_or_default();
    let needs_carrier = unadorned(ctx, heir, site, arg)?;
    if !attrs.is_empty() {
        *arg = Expr::Verbatim(quote!(#(#attrs)* #arg));
    }
    Ok(needs_carrier)
}

fn unadorned(ctx: &Ctx, heir: Heir<'_>, site: &Site, arg: &mut Expr) -> syn::Result<NeedsCarrier> {
    let wrap = Wrap { ctx, heir };
    match arg {
        Expr::Paren(inner) => return work(ctx, heir, site, &mut inner.expr),
        Expr::Group(inner) => return work(ctx, heir, site, &mut inner.expr),
        // Boxes are wrapped inside, so that they still coerce to `Box<dyn ..>` at the call.
        Expr::Cast(cast) => return work(ctx, heir, site, &mut cast.expr),
        Expr::Call(call) if is_boxing(call) => {
            let site = Site {
                works: Vec::new(),
                work: unboxed(site.work),
                ..*site
            };
            return call.args.iter_mut().try_fold(false, |needs, inner| {
                Ok(work(ctx, heir, &site, inner)? || needs)
            });
        }
        Expr::MethodCall(call)
            if ["boxed", "boxed_local"]
                .iter()
                .any(|name| call.method == name) =>
        {
            return work(ctx, heir, site, &mut call.receiver);
        }
        Expr::Closure(closure) => {
            if let Some((tokens, needs_carrier)) = wrap.closure(site, closure) {
                *arg = Expr::Verbatim(tokens);
                return Ok(needs_carrier);
            }
        }
        _ => {}
    }
    *arg = match site.work {
        Work::Callback => Expr::Verbatim(wrap.callback(arg)),
        Work::Object if matches!(heir, Heir::Nobody(_)) => return Ok(false),
        Work::Object => {
            return Err(error(
                arg,
                "the future in a ready-made object cannot be owned any more",
                "build the object here: `FutureObj::new(Box::new(future))`, or spawn the future itself: `.spawn(future)`",
            ));
        }
        Work::Once | Work::Many | Work::ManyStatic => wrap.by_trait(arg),
    };
    Ok(false)
}

/// Keeps a carrier for closures that borrow it until the call has returned.
pub(super) fn around_call(ctx: &Ctx, heir: Heir<'_>, call: &mut Expr) {
    let capture = Wrap { ctx, heir }.capture();
    let carrier = local("carrier");
    *call = Expr::Verbatim(quote!(match &#capture { #carrier => #call }));
}

/// Whether an argument of a call that may not be a spawn at all can be looked at without losing its type: values that
/// take their type from the call stay as they are, and so does what cannot be work.
pub(super) fn may_be_work(arg: &Expr) -> bool {
    const TYPED_BY_USE: &[&str] = &[
        "into", "try_into", "parse", "collect", "sum", "product", "default",
    ];
    const CONTAINERS: &[&str] = &[
        "Vec", "String", "Option", "HashMap", "HashSet", "BTreeMap", "BTreeSet", "VecDeque",
    ];
    match arg {
        Expr::Paren(inner) => may_be_work(&inner.expr),
        Expr::Group(inner) => may_be_work(&inner.expr),
        Expr::Try(inner) => may_be_work(&inner.expr),
        Expr::Lit(_)
        | Expr::Reference(_)
        | Expr::Range(_)
        | Expr::Array(_)
        | Expr::Tuple(_)
        | Expr::Repeat(_)
        | Expr::Binary(_)
        | Expr::Unary(_)
        | Expr::RawAddr(_)
        | Expr::Infer(_) => false,
        Expr::Path(path) => last_name(&path.path) != "None",
        Expr::MethodCall(call) => !TYPED_BY_USE.iter().any(|name| call.method == name),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                let name = last_name(&path.path);
                let container = path
                    .path
                    .segments
                    .iter()
                    .any(|segment| CONTAINERS.iter().any(|c| segment.ident == c));
                !container && !["Some", "Ok", "Err", "default"].contains(&name.as_str())
            }
            _ => true,
        },
        _ => true,
    }
}

/// `Box::pin(..)`, `Box::new(..)`, `FutureObj::new(..)`.
fn is_boxing(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let names: Vec<_> = path
        .path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    let [.., of, name] = names.as_slice() else {
        return false;
    };
    ["Box", "FutureObj", "LocalFutureObj"].contains(&of.as_str())
        && ["pin", "new"].contains(&name.as_str())
}

fn unboxed(work: Work) -> Work {
    if work == Work::Object {
        Work::Once
    } else {
        work
    }
}

struct Wrap<'a> {
    ctx: &'a Ctx,
    heir: Heir<'a>,
}

impl Wrap<'_> {
    /// The runtime looks at the type: boxed, future, closure, or something else, which it hands back untouched.
    fn by_trait(&self, arg: &Expr) -> Expr {
        let ctx = self.ctx;
        let span = Span::mixed_site().located_at(arg.span());
        // As the call below, or the compiler would blame the attribute for the argument's type.
        let work = syn::Ident::new(&local("work").to_string(), arg.span());
        let unused = allow(&quote!(unused_imports));
        let choice = quote_spanned!(span=> (&&&&&#ctx::__private::work(&#work)).__heirloom_kind());
        let wrapped = match self.heir {
            Heir::Caller => quote_spanned!(arg.span()=> .wrap(#work)),
            Heir::Actor(name) => quote_spanned!(arg.span()=> .wrap_named(#work, #name)),
            Heir::Nobody(why) => quote_spanned!(arg.span()=> .exempt(#work, #why)),
        };
        // The call alone is as if it were written there, so that it knows its place.
        let wrapped = quote!(#choice #wrapped);
        let mut wrapping: ExprMatch = parse_quote_spanned! {span=>
            match () {
                #work => {
                    #unused
                    use #ctx::__private::{
                        AnyWork as _, BoxedWork as _, ClosureWork as _, FutureWork as _, ParameterWork as _,
                    };
                    #wrapped
                }
            }
        };
        // The compiler blames the argument of a call only if both were written in the same place. A block would set
        // off a lint there.
        if !matches!(arg, Expr::Block(_)) {
            let (first, last) = ends(arg);
            wrapping.match_token.span = first;
            wrapping.brace_token = syn::token::Brace(last);
        }
        *wrapping.expr = arg.clone();
        Expr::Match(wrapping)
    }

    /// A closure literal that would lose its types if it were moved into a wrapper: its body enters the owner instead.
    /// `None` if it needs no such care.
    fn closure(&self, site: &Site, closure: &ExprClosure) -> Option<(TokenStream, NeedsCarrier)> {
        let returns_future =
            site.work == Work::Callback || matches!(without_braces(&closure.body), Expr::Async(_));
        let many = [Work::Many, Work::ManyStatic].contains(&site.work)
            || !site.known && closure.capture.is_some();
        let may_be_repeated = !site.known && closure.capture.is_none();
        if closure.asyncness.is_none() && closure.inputs.is_empty() && may_be_repeated {
            return Some((self.repeated(closure, returns_future), false));
        }
        if closure.asyncness.is_none() && !returns_future && !many && closure.inputs.is_empty() {
            return None;
        }
        let carrier = local("carrier");
        let mut closure = closure.clone();
        if site.work == Work::ManyStatic {
            // It cannot borrow from here anyway.
            closure.capture.get_or_insert_with(Default::default);
        }
        let borrows = site.work == Work::Many && closure.capture.is_none();
        let at = closure.span();
        let handed_on = match (borrows, closure.capture) {
            (true, _) => quote!(::core::clone::Clone::clone(&*#carrier)),
            (_, Some(_)) => quote!(::core::clone::Clone::clone(&#carrier)),
            (_, None) => carrier.to_token_stream(),
        };
        let entered = entered(&handed_on, at);
        *closure.body = self.closure_body(&closure, entered, returns_future);
        if borrows {
            return Some((closure.into_token_stream(), true));
        }
        let captured = self.captured(&carrier);
        Some((quote_spanned!(at=> { #captured #closure }), false))
    }

    /// A closure that may be called once or many times, and captures as it likes: another closure around it is as
    /// callable as it is itself.
    fn repeated(&self, closure: &ExprClosure, returns_future: bool) -> TokenStream {
        // What is wrong with the closure is wrong with the one around it: both are reported at the same place.
        let span = Span::mixed_site().located_at(closure.span());
        let (carrier, work, scope) = (local("carrier"), local("work"), local("scope"));
        let capture = self.capture();
        let lints = allow(&quote!(unused_mut, clippy::redundant_closure));
        let called = parse_quote_spanned!(span=> #work());
        let called = if returns_future {
            self.by_trait(&called)
        } else {
            self.by_name(&called, &ReturnType::Default)
        };
        let enter = enter(closure.span());
        let content = quote_spanned! {span=>
            let #carrier = #capture;
            #lints
            let mut #work = #closure;
            move || {
                let #scope = ::core::clone::Clone::clone(&#carrier) #enter;
                #called
            }
        };
        quote_spanned!(closure.span()=> { #content })
    }

    fn closure_body(&self, closure: &ExprClosure, entered: Stmt, returns_future: bool) -> Expr {
        let body = without_braces(&closure.body);
        if closure.asyncness.is_some() {
            let task = in_block(entered, self.by_trait(&parse_quote!(async { #body })));
            let future = local("future");
            parse_quote!({ let #future = #task; #future.await })
        } else if returns_future {
            in_block(entered, self.by_trait(body))
        } else {
            in_block(entered, self.by_name(body, &closure.output))
        }
    }

    /// A value that is computed by the actor, if there is one: its name goes with work, not with carriers.
    fn by_name(&self, value: &Expr, output: &ReturnType) -> Expr {
        if !matches!(self.heir, Heir::Actor(_)) {
            return value.clone();
        }
        let span = Span::mixed_site().located_at(value.span());
        let body = match (output, value) {
            (ReturnType::Default, _) | (_, Expr::Block(_)) => value.to_token_stream(),
            (ReturnType::Type(..), _) => quote_spanned!(span=> { #value }),
        };
        let named = self.by_trait(&parse_quote_spanned!(span=> || #output #body));
        parse_quote_spanned!(span=> (#named)())
    }

    /// A callback that is not a literal: called in a closure that owns the future it returns.
    fn callback(&self, arg: &Expr) -> TokenStream {
        let (carrier, callback, input) = (local("carrier"), local("callback"), local("input"));
        let captured = self.captured(&carrier);
        let entered = entered(&carrier, arg.span());
        let task = in_block(entered, self.by_trait(&parse_quote!(#callback(#input))));
        quote!({
            #captured
            let #callback = #arg;
            move |#input| #task
        })
    }

    fn captured(&self, carrier: &syn::Ident) -> TokenStream {
        let capture = self.capture();
        quote!(let #carrier = #capture;)
    }

    fn capture(&self) -> TokenStream {
        let ctx = self.ctx;
        match self.heir {
            Heir::Caller | Heir::Actor(_) => quote!(#ctx::__private::Carrier::at_spawn()),
            Heir::Nobody(why) => quote!(#ctx::__private::Carrier::unowned(#why)),
        }
    }
}

/// Enters the carrier until the end of the block.
fn entered(carrier: &impl ToTokens, at: Span) -> Stmt {
    let (scope, enter) = (local("scope"), enter(at));
    parse_quote!(let #scope = #carrier #enter;)
}

/// The call that does it, as if it were written there, so that it knows its place.
fn enter(at: Span) -> TokenStream {
    quote_spanned!(at=> .enter_work())
}

/// Where an expression begins and ends.
fn ends(expr: &Expr) -> (Span, Span) {
    let mut tokens = expr.to_token_stream().into_iter().map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    (first, tokens.last().unwrap_or(first))
}

fn in_block(first: Stmt, tail: Expr) -> Expr {
    let mut block: ExprBlock = parse_quote!({});
    block.block.stmts = vec![first, Stmt::Expr(tail, None)];
    Expr::Block(block)
}

/// `{ value }` as `value`: braces inside of generated ones would set off a lint.
fn without_braces(expr: &Expr) -> &Expr {
    match expr {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
            match block.block.stmts.as_slice() {
                [Stmt::Expr(value, None)] => value,
                _ => expr,
            }
        }
        _ => expr,
    }
}
